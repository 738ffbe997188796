"""
The fee audit: each settled fee, and the GST in it, against the rate card, to the paisa.

Razorpay's documents show fee and GST each rounded half up to the paisa and state no tolerance, so none is applied.
An overcharge opens an exception with the sum to claim. It posts nothing: what was charged is in the books, and what the gateway
returns comes with a settlement.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from apps.core.errors import Conflict
from apps.core.events import SYSTEM
from apps.core.money import rupees
from apps.core.transactions import atomic
from apps.ledger import locks as ledger_locks
from apps.ledger import services as ledger
from apps.ledger.services import NewException
from apps.ledger.states import ExceptionReason, Resolution
from apps.settlements import selectors
from apps.settlements.sql import fee_audit as sql
from apps.settlements.sql.fee_audit import Claim, Scope

_BATCH = 5_000
_CLAIMS = 500
#: This many settlements at most are audited together.
_MAX_SETTLEMENTS = 200
_FIRST = UUID(int=0)

OnProgress = Callable[[int], None]


class RateCardMissing(Conflict):
    """No rate card of the gateway was entered, so no fee can be judged. Import the contracted rates first."""

    message = "The rate card of {0} is empty, so no fee can be judged. Enter the contracted rates first."


@dataclass
class FeeAudit:
    """What one run of the audit did: lines judged, results that are new, and claims opened and closed."""

    lines: int = 0
    changed: int = 0
    claims_opened: int = 0
    claims_closed: int = 0


def audit_fees(
    *, now: datetime, since: datetime | None = None, gateway: str = "razorpay", on_progress: OnProgress | None = None
) -> FeeAudit:
    """
    Judge the fees of the settlements since an instant, or of all, by the current rate card, and open and close claims.

    :raises RateCardMissing: if the rate card has no row
    """
    if not selectors.has_fee_rates(gateway):
        raise RateCardMissing(gateway.capitalize())
    return _audit(FeeAudit(), now=now, gateway=gateway, since=since, scope=Scope(), on_progress=on_progress)


def audit_imported_fees(*, report_id: UUID, lines_added: Mapping[UUID, int], gateway: str, now: datetime) -> FeeAudit:
    """
    Judge the fees of the lines that an import added; without a rate card nothing is judged.

    `lines_added` has how many lines this run added to each settlement of the import.
    """
    done = FeeAudit()
    if not selectors.has_fee_rates(gateway):
        return done
    for settlement_ids in _in_groups(lines_added):
        _audit(done, now=now, gateway=gateway, since=None, scope=Scope(report_id, settlement_ids), on_progress=None)
    return done


def _in_groups(lines_added: Mapping[UUID, int]) -> Iterator[list[UUID]]:
    """Yield settlements in groups of about a batch of lines; an interrupted run may have added lines to those without any."""
    group: list[UUID] = []
    lines = 0
    for settlement_id, added in lines_added.items():
        group.append(settlement_id)
        lines += added
        if lines >= _BATCH or len(group) == _MAX_SETTLEMENTS:
            yield group
            group, lines = [], 0
    if group:
        yield group


def _audit(
    done: FeeAudit, *, now: datetime, gateway: str, since: datetime | None, scope: Scope, on_progress: OnProgress | None
) -> FeeAudit:
    """Judge the lines of a scope in batches, and add what that did to `done`."""
    after = _FIRST
    while True:
        with atomic(savepoint=False):
            batch = sql.audit_batch(gateway=gateway, after=after, scope=scope, since=since, limit=_BATCH, now=now)
            if batch.added:
                done.claims_closed += _close_claims(now=now)
                done.claims_opened += _open_claims(now=now)
        done.lines += batch.lines
        done.changed += batch.added
        if on_progress is not None:
            on_progress(done.lines)
        if batch.last_id is None or batch.lines < _BATCH:
            return done
        after = batch.last_id


def _open_claims(*, now: datetime) -> int:
    opened = 0
    while claims := sql.list_claims_to_open(limit=_CLAIMS):
        opened += ledger.open_exceptions_once([_exception_of(claim) for claim in claims], now=now)
    return opened


def _exception_of(claim: Claim) -> NewException:
    charged, expected = claim.charged_fee, claim.expected_fee
    return NewException(
        gateway=claim.gateway,
        reason=ExceptionReason.FEE_OVERCHARGED,
        entity_id=claim.entity_id,
        attempt_id=claim.attempt_id,
        description=f"{claim.gateway.capitalize()} charged {rupees(charged)} for {claim.entity_id} in"
        f" {claim.gateway_settlement_id}; by the rate card it is {rupees(expected)}. Claim {rupees(charged - expected)},"
        " which includes the GST.",
        fingerprint=f"fee:{claim.line_id}:{claim.revision}",
        expected_amount=expected,
        actual_amount=charged,
    )


def _close_claims(*, now: datetime) -> int:
    """Close the claims that the rate card no longer supports."""
    closed = 0
    while exceptions := sql.list_claims_to_close(limit=_CLAIMS):
        for exception_id in exceptions:
            exception = ledger_locks.lock_exception(exception_id)
            if exception.resolved_at is None:
                ledger.close_exception(
                    exception, resolution=Resolution.BOOKED, note="the rate card has changed", actor=SYSTEM, now=now
                )
                closed += 1
    return closed
