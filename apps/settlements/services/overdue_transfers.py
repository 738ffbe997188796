"""Settlements that should be in the bank and are not: in transit, although the bank's statement goes on past their day."""

from datetime import date, datetime, timedelta

from apps.core import clock
from apps.core.dates import format_day
from apps.core.money import rupees
from apps.core.transactions import transactional
from apps.ledger import services as ledger
from apps.ledger.states import ExceptionReason
from apps.settlements import locks, selectors
from apps.settlements.models import Settlement
from apps.settlements.services.transfers import expected_amount
from apps.settlements.states import TransferStatus

#: How long after its day a statement may show a settlement. NEFT is settled in half-hourly batches on every day of the year (RBI,
#: since 16 December 2019); three days leave time for a transfer in the evening and for a bank that is late.
_TIME_TO_BANK = timedelta(days=3)
_MAX_OPENED = 1_000


def open_overdue_transfer_exceptions(*, now: datetime) -> int:
    """
    Open an exception for each settlement in transit that a bank's statement should show; return how many.

    It should if the statements of one account cover its day and the three days after it. Once an account has received a
    settlement, only such accounts count. The exception closes by itself when the line is imported or the transfer fails.
    """
    opened = 0
    for first, last in selectors.list_statement_periods():
        covered = selectors.list_overdue_transfers(first=first, last=last - _TIME_TO_BANK, limit=_MAX_OPENED)
        opened += sum(_open_overdue(settlement, until=last, now=now) for settlement in covered)
    return opened


@transactional
def _open_overdue(found: Settlement, *, until: date, now: datetime) -> bool:
    settlement = locks.lock_settlement(gateway=found.gateway, gateway_settlement_id=found.gateway_settlement_id)
    assert settlement is not None  # noqa: S101 - settlements are never deleted
    amount = expected_amount(settlement)
    # A line may have come meanwhile, and a settlement of nothing has none.
    if settlement.transfer_status != TransferStatus.IN_TRANSIT or amount <= 0:
        return False

    _, is_new = ledger.open_exception_once(
        gateway=settlement.gateway,
        reason=ExceptionReason.TRANSFER_OVERDUE,
        settlement_id=settlement.pk,
        entity_id=settlement.gateway_settlement_id,
        description=f"{settlement.gateway.capitalize()} says that it transferred {rupees(amount)} (UTR {settlement.utr or 'unknown'}) on"
        f" {format_day(clock.ist_date(settlement.settled_at))}. The bank's statement up to {format_day(until)} does not show it.",
        # A transfer that failed and was made again has a UTR of its own.
        fingerprint=f"transfer_overdue:{settlement.pk}:{settlement.utr}",
        expected_amount=amount,
        currency=settlement.currency,
        now=now,
    )
    return is_new
