"""
How far the gateway's transfer of a settlement to our bank has come: in transit, on the bank's statement, or failed.

A gateway calls a settlement processed when it has initiated the transfer, which may still fail. Only a line of the
bank's statement says that the money has arrived.
"""

from datetime import datetime
from uuid import UUID

import structlog

from apps.core import clock
from apps.core.dates import format_day
from apps.core.events import SYSTEM, Actor, change, changed_values, gateway_actor
from apps.core.models import subject_type_of
from apps.core.money import rupees
from apps.core.transactions import transactional
from apps.ledger import locks as ledger_locks
from apps.ledger import services as ledger
from apps.ledger.states import ExceptionReason, Resolution
from apps.payments.facts import GatewaySettlement
from apps.payments.services import gateway_receivable
from apps.settlements import events, locks, selectors
from apps.settlements.models import Settlement
from apps.settlements.services.ledger_accounts import SETTLEMENT_IN_TRANSIT
from apps.settlements.states import TransferStatus, transition_transfer

log = structlog.get_logger(__name__)

#: What a gateway calls a settlement whose transfer failed, and one whose transfer it has initiated.
_FAILED, _PROCESSED = "failed", "processed"


def transfer_account(settlement: Settlement) -> str:
    """Return the account that holds what a settlement transfers: in transit or, if the transfer failed, the receivable."""
    if settlement.transfer_status == TransferStatus.FAILED:
        return gateway_receivable(settlement.gateway)
    return SETTLEMENT_IN_TRANSIT


def transferred_amount(settlement: Settlement) -> int:
    """Return what a settlement transfers by its lines and exceptions, in paise: its part of the account."""
    return settlement.lines_amount - selectors.sum_held_outside_lines(settlement.pk)


def expected_amount(settlement: Settlement) -> int:
    """Return what the bank's line of a settlement is expected to bring, in paise."""
    return settlement.lines_amount if settlement.amount is None else settlement.amount


def mark_transfer_banked(settlement: Settlement, *, amount: int, actor: Actor, now: datetime) -> None:
    """
    Record that the bank's statement shows the transfer of a locked settlement, of an amount in paise; the caller posts it.

    :raises InvalidTransition: if the settlement is not in transit
    """
    banked = {
        "transfer_status": transition_transfer(settlement.transfer_status, to=TransferStatus.BANKED),
        "amount": amount,
    }
    change(settlement, events.SETTLEMENT_BANKED, banked, actor=actor, now=now)
    _close_exceptions(settlement, ExceptionReason.TRANSFER_OVERDUE, note="the bank's statement shows it now", now=now)


@transactional
def record_transfer(*, settlement_id: UUID, facts: GatewaySettlement, now: datetime) -> None:
    """
    Store what the gateway reports of a transfer: amount, status and the bank's reference; a repetition changes nothing.

    If the transfer failed, the gateway owes its amount again, and an exception is opened. One that was transferred
    again after that is in transit again.
    """
    found = locks.lock_settlement(gateway=facts.gateway, gateway_settlement_id=facts.id)
    if found is None or found.pk != settlement_id:
        return

    # A second transfer of the same settlement has a UTR of its own.
    is_new_transfer = found.transfer_status == TransferStatus.FAILED and facts.status == _PROCESSED
    utr = facts.utr or found.utr if is_new_transfer else found.utr or facts.utr
    # What the bank has received is the amount, whatever the gateway says of it later.
    amount = found.amount if found.transfer_status == TransferStatus.BANKED else facts.amount
    if changed := changed_values(found, {"amount": amount, "status": facts.status, "utr": utr}):
        change(found, events.SETTLEMENT_UPDATED, changed, actor=gateway_actor(found.gateway), now=now)
    if is_new_transfer:
        _transfer_again(found, now=now)
    elif facts.status == _FAILED and found.transfer_status != TransferStatus.FAILED:
        _fail_transfer(found, now=now)


def _fail_transfer(settlement: Settlement, *, now: datetime) -> None:
    """Move what is in transit back to the receivable; what the bank has received stays booked, with an exception."""
    amount = transferred_amount(settlement)
    if settlement.transfer_status == TransferStatus.IN_TRANSIT:
        failed = {
            "transfer_status": transition_transfer(settlement.transfer_status, to=TransferStatus.FAILED),
            "failed_at": now,
        }
        change(settlement, events.SETTLEMENT_FAILED, failed, actor=gateway_actor(settlement.gateway), now=now)
        _post_transfer(settlement, "transfer_failed", amount=-amount, now=now)
        _close_exceptions(settlement, ExceptionReason.TRANSFER_OVERDUE, note="the transfer failed", now=now)
        consequence = "Its amount is owed again until the gateway transfers it."
    else:
        consequence = "The bank's statement shows it, so it stays booked as received. Ask the gateway."
    log.error(
        "settlement_transfer_failed", settlement=settlement.gateway_settlement_id, status=settlement.transfer_status
    )
    # One exception per failure: the same report again changes nothing of the settlement.
    ledger.open_exception_once(
        gateway=settlement.gateway,
        reason=ExceptionReason.SETTLEMENT_FAILED,
        settlement_id=settlement.pk,
        entity_id=settlement.gateway_settlement_id,
        description=f"{settlement.gateway.capitalize()} says that its transfer of {rupees(amount)}"
        f" (UTR {settlement.utr or 'unknown'}) of {format_day(clock.ist_date(settlement.settled_at))} failed. {consequence}",
        fingerprint=f"settlement_failed:{settlement.pk}:{settlement.failed_at or settlement.transfer_status}"[:160],
        expected_amount=amount,
        currency=settlement.currency,
        now=now,
    )


def _transfer_again(settlement: Settlement, *, now: datetime) -> None:
    again = {
        "transfer_status": transition_transfer(settlement.transfer_status, to=TransferStatus.IN_TRANSIT),
        "failed_at": None,
    }
    change(settlement, events.SETTLEMENT_RETRIED, again, actor=gateway_actor(settlement.gateway), now=now)
    _post_transfer(settlement, "transfer_retried", amount=transferred_amount(settlement), now=now)
    note = "the gateway has transferred it again"
    _close_exceptions(settlement, ExceptionReason.SETTLEMENT_FAILED, note=note, now=now)


def _close_exceptions(settlement: Settlement, reason: ExceptionReason, *, note: str, now: datetime) -> None:
    """Close the open exceptions of a reason about the transfer of a locked settlement."""
    for exception_id in selectors.list_open_transfer_exceptions(settlement.pk, reason):
        exception = ledger_locks.lock_exception(exception_id)
        if exception.resolved_at is None:  # staff may have resolved it since it was found
            ledger.close_exception(exception, resolution=Resolution.ARRIVED, note=note, actor=SYSTEM, now=now)


def return_failed_part(settlement: Settlement, *, amount: int, now: datetime) -> None:
    """Return a further part (paise) of a locked settlement to the receivable, if its transfer has failed already."""
    if settlement.transfer_status == TransferStatus.FAILED:
        _post_transfer(settlement, "transfer_failed", amount=-amount, now=now)


def _post_transfer(settlement: Settlement, kind: str, *, amount: int, now: datetime) -> None:
    """Move an amount (paise) from what the gateway owes to what is in transit, once for the settlement's version."""
    if not amount:
        return
    ledger.post_to_ledger(
        source_type=subject_type_of(settlement),
        source_id=settlement.pk,
        kind=f"{kind}:{settlement.version}",
        order_id=None,
        entries={SETTLEMENT_IN_TRANSIT: amount, gateway_receivable(settlement.gateway): -amount},
        currency=settlement.currency,
        description=f"{settlement.gateway_settlement_id} {settlement.utr}".strip(),
        occurred_at=now,
    )
