"""What a gateway owes us for too long: nothing of it stays in the books without an open item that says why."""

from datetime import datetime
from uuid import UUID

from django.conf import settings

from apps.core import clock
from apps.core.dates import format_day
from apps.core.events import SYSTEM
from apps.core.money import rupees
from apps.core.transactions import transactional
from apps.ledger import locks as ledger_locks
from apps.ledger import services as ledger
from apps.ledger.states import ExceptionReason, Resolution
from apps.settlements import selectors
from apps.settlements.sql import receivables as sql
from apps.settlements.sql.receivables import Receivable

_MAX_OPENED = 1_000
#: Stands for the gateway's id where the money belongs to no payment in Bahi.
UNATTRIBUTED = "unattributed"


def open_overdue_receivable_exceptions(*, now: datetime, gateway: str = "razorpay") -> int:
    """
    Open an exception for each payment of which the gateway has owed us something for too long; return how many.

    Too long: twice what a settlement may take by the setting. A payment with an open exception or an undecided dispute has its
    explanation. An exception whose receivable has changed since is closed first. Until a first settlement is imported one
    exception stands for all of them: nothing of a shop that imports none is known to be paid out.
    """
    for exception_id in sql.list_changed_overdue_exceptions(gateway=gateway):
        _close(exception_id, note="what is owed has changed", now=now)
    before = now - 2 * settings.SETTLEMENT_OVERDUE_AFTER
    if not selectors.is_settlement_imported(gateway):
        return _open_not_imported_exception(gateway=gateway, before=before, now=now)
    overdue = sql.list_overdue_receivables(gateway=gateway, before=before, limit=_MAX_OPENED)
    opened = sum(_open_overdue(one, gateway=gateway, now=now) for one in overdue)
    reminder = selectors.find_not_imported_exception(gateway)
    # Not before each receivable has an item of its own.
    if reminder is not None and len(overdue) < _MAX_OPENED:
        _close(reminder.pk, note="settlements are imported now", now=now)
    return opened


@transactional
def _close(exception_id: UUID, *, note: str, now: datetime) -> None:
    exception = ledger_locks.lock_exception(exception_id)
    if exception.resolved_at is None:
        ledger.close_exception(exception, resolution=Resolution.ARRIVED, note=note, actor=SYSTEM, now=now)


def _open_not_imported_exception(*, gateway: str, before: datetime, now: datetime) -> int:
    """Open the one exception that says that no settlement has been imported, if anything is overdue; return how many it is."""
    if selectors.find_not_imported_exception(gateway) is not None:
        return 0
    count, amount, since = sql.sum_overdue_receivables(gateway=gateway, before=before)
    if not count or since is None:
        return 0
    name, today, oldest = gateway.capitalize(), format_day(clock.ist_date(now)), format_day(clock.ist_date(since))
    _, is_new = ledger.open_exception_once(
        gateway=gateway,
        reason=ExceptionReason.SETTLEMENTS_NOT_IMPORTED,
        entity_id=UNATTRIBUTED,
        description=f"No settlement of {name} has been imported yet. On {today} {name} owed {rupees(amount)} of payments ({count}) that"
        f" are overdue, the oldest since {oldest}. Import its settlements to see what was paid out.",
        expected_amount=amount,
        now=now,
    )
    return int(is_new)


def _open_overdue(one: Receivable, *, gateway: str, now: datetime) -> bool:
    entity_id = one.gateway_payment_id or UNATTRIBUTED
    _, is_new = ledger.open_exception_once(
        gateway=gateway,
        reason=ExceptionReason.RECEIVABLE_OVERDUE,
        attempt_id=one.attempt_id,
        entity_id=entity_id,
        description=f"{gateway.capitalize()} has owed {rupees(one.amount)} of {entity_id} since {format_day(clock.ist_date(one.since))}.",
        expected_amount=one.amount,
        currency=one.currency,
        now=now,
    )
    return is_new
