"""What audits have found: their results as they are stored, what is known from them, and which audit is due."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from datetime import time as time_of_day

import structlog

from apps.core import clock
from apps.core.audit import RECENT, Reads, Report, list_invariants
from apps.core.models import AuditRun

log = structlog.get_logger(__name__)

#: A whole audit that was as quick as this is repeated each minute.
QUICK_MILLISECONDS = 3_000
#: When, in India, one that takes longer is due each night.
AUDIT_AT = time_of_day(3)


def store_report(report: Report) -> AuditRun:
    """Write an audit's result down, and into the log as an error if anything is violated."""
    violated = {result.invariant.id: result.count or result.error for result in report.failing}
    for result in report.failing:
        log.error(
            "invariant_violated",
            invariant=result.invariant.id,
            name=result.invariant.name,
            rows=result.count,
            failure=result.error,
        )
    return AuditRun.objects.create(
        started_at=report.started_at,
        since=report.since,
        duration_ms=round(report.milliseconds),
        checked=len(report.results),
        violated=violated,
    )


def choose_since(*, now: datetime) -> datetime | None:
    """
    Return from when on the audit of this minute checks changes, or None if it checks all, as it does while that is quick.

    It begins RECENT before the last audit, however long ago that was.
    """
    kept = AuditRun.objects.order_by("-started_at")
    last, whole = kept.first(), kept.filter(since=None).first()
    if last is None or whole is None or whole.duration_ms <= QUICK_MILLISECONDS:
        return None
    return min(now, last.started_at) - RECENT


def is_whole_audit_due(*, now: datetime) -> bool:
    """
    Test if everything is to be audited by itself, because that is not quick enough for each minute.

    That is so once after each night's AUDIT_AT, and once an hour while anything is violated or could not be checked: a row that
    is broken and then left alone must not be forgotten.
    """
    state, whole = find_state(), _find_whole_run()
    if state is None or whole is None or whole.duration_ms <= QUICK_MILLISECONDS:
        return False
    today = datetime.combine(clock.ist_date(now), AUDIT_AT, tzinfo=clock.IST)
    is_of_last_night = whole.started_at >= (today if today <= now else today - timedelta(days=1))
    return not is_of_last_night or (bool(state.violated) and whole.started_at < now - timedelta(hours=1))


@dataclass(frozen=True)
class State:
    """
    What is known of all invariants.

    :param violated: id -> number of rows, or why it could not be checked
    :param checked: how many the last whole audit checked
    """

    violated: Mapping[str, int | str]
    checked: int
    started_at: datetime
    whole_started_at: datetime | None


def find_state() -> State | None:
    """
    Return what the last whole audit and those since then found, or None if none was kept.

    Of what waits or is small the last one knows; an order that any of them found broken is broken until a whole audit finds
    it in order.
    """
    last = AuditRun.objects.order_by("-started_at").first()
    if last is None:
        return None
    whole = _find_whole_run()
    since = AuditRun.objects.exclude(violated={}).order_by("started_at")
    later = [] if whole is None or whole == last else since.filter(started_at__gt=whole.started_at)
    found = [] if whole is None else [whole, *later]
    renewed = {invariant.id for invariant in list_invariants() if invariant.reads is Reads.LITTLE}
    violated = {
        name: rows for run in found for name, rows in run.violated.items() if run == last or name not in renewed
    }
    return State(
        violated=violated if whole else last.violated,
        checked=(whole or last).checked,
        started_at=last.started_at,
        whole_started_at=whole.started_at if whole else None,
    )


def _find_whole_run() -> AuditRun | None:
    return AuditRun.objects.filter(since=None).order_by("-started_at").first()
