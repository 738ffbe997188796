"""
Incidents: what keeps the service from its work until an operator repairs it. One open row per kind and key.

Apps name their kinds. The call that meets the fault reports it; the next that succeeds resolves it.
"""

from datetime import datetime

import structlog
from django.db.models import Count, F, QuerySet, Value
from django.db.models.functions import Greatest

from apps.core.errors import NotFound
from apps.core.events import SYSTEM, change, create_if_absent
from apps.core.locks import lock_row
from apps.core.models import Incident
from apps.core.rows import find_row
from apps.core.transactions import atomic, transactional

log = structlog.get_logger(__name__)

#: A provider does not accept our key, password or address; the key of the incident is the provider's name.
CREDENTIALS_REJECTED = "gateway_credentials_rejected"

INCIDENT_OPENED = "core.incident.opened"
INCIDENT_RESOLVED = "core.incident.resolved"


@transactional
def report_incident(*, kind: str, key: str, detail: str, now: datetime) -> None:
    """Open an incident, or count the fault once more if one of that kind and key is open."""
    if _count_again(kind=kind, key=key, detail=detail, now=now):
        return
    incident = Incident(kind=kind, key=key, detail=detail[:500], first_seen_at=now, last_seen_at=now)
    if create_if_absent(incident, INCIDENT_OPENED, actor=SYSTEM, now=now) is None:
        # Somebody else has opened it meanwhile.
        _count_again(kind=kind, key=key, detail=detail, now=now)
        return

    log.error("incident_opened", kind=kind, key=key, detail=detail[:500])


def _count_again(*, kind: str, key: str, detail: str, now: datetime) -> bool:
    rows = Incident.objects.filter(kind=kind, key=key, resolved_at__isnull=True)
    # Two workers that meet the fault may read the clock in one order and get here in the other.
    last_seen_at = Greatest(F("last_seen_at"), Value(now))
    return bool(rows.update(count=F("count") + 1, last_seen_at=last_seen_at, detail=detail[:500], updated_at=now))


def resolve_incident(*, kind: str, key: str, now: datetime) -> bool:
    """Close the open incident of a kind and key, if there is one, and return whether there was."""
    found = find_open_incident(kind=kind, key=key)
    if found is None:
        # The usual case costs one read of an index that is almost empty.
        return False
    with atomic(savepoint=False):
        incident = lock_row(Incident, found.pk, missing=NotFound)
        if incident.resolved_at is not None:
            # Of two workers that succeed at once, the second waits for the lock and finds it resolved.
            return False
        change(incident, INCIDENT_RESOLVED, {"resolved_at": now}, actor=SYSTEM, now=now)
        log.warning("incident_resolved", kind=kind, key=key)
    return True


def sync_credentials_incident(
    *, provider: str, is_rejected: bool, is_accepted: bool, detail: str, now: datetime
) -> None:
    """Report or close the incident about our credentials at a provider, as the end of a call shows; most calls show neither."""
    if is_rejected:
        report_incident(kind=CREDENTIALS_REJECTED, key=provider, detail=detail, now=now)
    elif is_accepted:
        resolve_incident(kind=CREDENTIALS_REJECTED, key=provider, now=now)


def list_open_incidents() -> "QuerySet[Incident]":
    """Return the open incidents, oldest first."""
    return Incident.objects.filter(resolved_at__isnull=True).order_by("first_seen_at", "pk")


def find_open_incident(*, kind: str, key: str) -> Incident | None:
    """Return the open incident of a kind and key, or None."""
    return find_row(Incident, "WHERE it.kind = $1 AND it.key = $2 AND it.resolved_at IS NULL", [kind, key])


def count_open_incidents() -> dict[str, int]:
    """Return how many incidents of each kind are open."""
    rows = Incident.objects.filter(resolved_at__isnull=True).values_list("kind").order_by("kind")
    return dict(rows.annotate(count=Count("pk")))
