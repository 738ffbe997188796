"""What a gateway owes us for too long: nothing of it stays in the books without an open item that says why."""

from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction

from apps.core import clock
from apps.core.dates import format_day
from apps.core.events import SYSTEM
from apps.core.money import rupees
from apps.payments import locks, statements
from apps.payments.models import ReconciliationException
from apps.payments.services.deciding import close
from apps.payments.services.reconciling import open_exception
from apps.payments.statements import Receivable
from apps.payments.states import ExceptionReason, Resolution

_MOST_OPENED = 1_000
#: Stands for the gateway's id where the money belongs to no payment of ours.
UNATTRIBUTED = "unattributed"


def find_overdue_receivables(*, now: datetime, gateway: str = "razorpay") -> int:
    """
    Open an exception for each payment of which the gateway has owed us something for too long; return how many.

    Too long: twice what a settlement may take by the setting. A payment with an open exception or an undecided dispute has its
    explanation. An exception whose receivable has changed since is closed first.
    """
    for exception_id in statements.list_changed_overdue_exceptions(gateway=gateway):
        _close_changed(exception_id, now=now)
    before = now - 2 * settings.SETTLEMENT_OVERDUE_AFTER
    overdue = statements.list_overdue_receivables(gateway=gateway, before=before, limit=_MOST_OPENED)
    return sum(_open_overdue(one, gateway=gateway, now=now) for one in overdue)


@transaction.atomic
def _close_changed(exception_id: UUID, *, now: datetime) -> None:
    exception = locks.lock_exception(exception_id)
    if exception.resolved_at is None:
        close(exception, resolution=Resolution.ARRIVED, note="what is owed has changed", actor=SYSTEM, now=now)


def _open_overdue(one: Receivable, *, gateway: str, now: datetime) -> bool:
    entity_id = one.gateway_payment_id or UNATTRIBUTED
    exception = ReconciliationException(
        gateway=gateway,
        reason=ExceptionReason.RECEIVABLE_OVERDUE,
        attempt_id=one.attempt_id,
        entity_id=entity_id,
        description=f"{gateway.capitalize()} has owed {rupees(one.amount)} of {entity_id} since {format_day(clock.ist_date(one.since))}.",
        expected_amount=one.amount,
        currency=one.currency,
        opened_at=now,
    )
    try:
        with transaction.atomic():
            open_exception(exception, now=now)
    except IntegrityError:
        # Another search was quicker.
        return False
    return True
