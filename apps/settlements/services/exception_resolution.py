"""How exceptions about settlements and receivables are resolved: what is owed, and where the money is posted."""

from typing import TYPE_CHECKING

from apps.core.errors import Conflict
from apps.core.money import rupees
from apps.ledger import services as ledger
from apps.ledger.services import SUSPENSE
from apps.ledger.states import ExceptionReason, Resolution
from apps.payments import selectors as payments
from apps.payments.services import gateway_receivable
from apps.settlements import locks, rules, selectors
from apps.settlements.services.ledger_accounts import (
    BANK_CHARGES,
    INPUT_GST,
    OTHER_BANK_MOVEMENTS,
    SETTLEMENT_IN_TRANSIT,
    gateway_fees,
)
from apps.settlements.services.transfers import transfer_account
from apps.settlements.sql import receivables
from apps.settlements.states import TransferStatus

if TYPE_CHECKING:
    from apps.ledger.models import ReconciliationException

#: Reasons of exceptions about a line of a bank's statement.
_BANK = (
    ExceptionReason.BANK_LINE_UNKNOWN,
    ExceptionReason.BANK_LINE_REPEATED,
    ExceptionReason.BANK_AMOUNT_MISMATCH,
    ExceptionReason.FAILED_SETTLEMENT_BANKED,
)

#: Reasons of exceptions about a line, or the sum of lines, that may hold money in suspense.
_HOLDING = (
    ExceptionReason.UNKNOWN_PAYMENT,
    ExceptionReason.AMOUNT_MISMATCH,
    ExceptionReason.FEE_MISMATCH,
    ExceptionReason.CREDIT_MISMATCH,
    ExceptionReason.DUPLICATED_LINE,
    ExceptionReason.SUM_MISMATCH,
    ExceptionReason.UNKNOWN_ADJUSTMENT,
    ExceptionReason.UNKNOWN_KIND,
)


class ReceivableOutstanding(Conflict):
    """
    The gateway still owes the amount of the exception.

    Leave it open, or choose a resolution that says where the money went.
    """

    message = (
        "{0} of {1} is still owed. Leave the exception open until it is settled, or choose where the money went: written_off"
        " or paid_outside."
    )


class ReceivableChanged(Conflict):
    """
    The gateway owes a different amount than when the exception was opened.

    Wait: this exception closes by itself, and a new one opens.
    """

    message = "The gateway now owes {1} of {0}, no longer {2}. This exception closes by itself; a new one opens for what is left."


class SettlementsNotImported(Conflict):
    """No settlement of the gateway was imported, so the amount it still owes is unknown. Import its settlements."""

    message = (
        "No settlement of {0} has been imported yet, so the amount it still owes is unknown. Import its settlements: this"
        " exception closes by itself."
    )


class FeeClaimHoldsNoMoney(Conflict):
    """
    A claim about a fee holds no money, so a resolution cannot say where money goes.

    Resolve it as noted once the gateway has returned the sum, or as written_off if the claim is given up.
    """

    message = (
        "This claim holds no money: what the gateway returns comes with a settlement. Resolve it as noted once it has come, or as"
        " written_off if the claim is given up."
    )


class SettlementStillInTransit(Conflict):
    """
    The money of the settlement is in transit until a line of the bank's statement brings it, or the transfer fails.

    Import the statement, or assign a line in suspense to the settlement, also one of another amount. Resolve the exception as
    noted to keep only a remark.
    """

    message = (
        "{0} is still in transit. Import the bank's statement, or assign a line in suspense to it, also one of another amount; if the"
        " transfer failed, this exception closes by itself once the gateway says so."
    )


class BankLineOfSettlementInTransit(Conflict):
    """
    The line of the bank's statement has the UTR of a settlement that is in transit, so it is not resolved otherwise.

    Assign the line to the settlement; what differs becomes an exception of its own.
    """

    message = (
        "This line has the UTR of {0}, which is in transit. Assign the line to it on the line's page; what differs becomes an"
        " exception of its own. If another line brings {0}, this one can be resolved after that."
    )


class OverdueTransferResolver(ledger.ExceptionResolver):
    """Resolves exceptions about settlements that the bank's statement does not show: no resolution moves their money."""

    def check(self, exception: "ReconciliationException", resolution: Resolution, *, owed: int) -> None:
        """
        Check that the resolution only keeps a remark.

        :raises SettlementStillInTransit: if it would say where the money went
        """
        if resolution != Resolution.NOTED:
            raise SettlementStillInTransit(exception.entity_id, param="resolution")


class FeeClaimResolver(ledger.ExceptionResolver):
    """Resolves claims about overcharged fees. The fee is in the books as it was charged, so that nothing is posted."""

    def check(self, exception: "ReconciliationException", resolution: Resolution, *, owed: int) -> None:
        """
        Check that the resolution moves no money.

        :raises FeeClaimHoldsNoMoney: if it would
        """
        if resolution in (Resolution.CLEARED, Resolution.PAID_OUTSIDE):
            raise FeeClaimHoldsNoMoney(param="resolution")


class HeldAmountResolver(ledger.ExceptionResolver):
    """Resolves exceptions that hold an amount of a settlement in suspense, or none."""

    def entries(self, exception: "ReconciliationException", resolution: Resolution, *, owed: int) -> dict[str, int]:
        """Return the entries that take what is held out of suspense; none if nothing is held."""
        held = exception.held_amount
        return {SUSPENSE: -held, **self.destination(exception, resolution)} if held else {}

    def destination(self, exception: "ReconciliationException", resolution: Resolution) -> dict[str, int]:
        """Return the entries that balance what is held, debits positive."""
        held = exception.held_amount
        if resolution == Resolution.WRITTEN_OFF:
            return {gateway_fees(exception.gateway): held}
        if resolution == Resolution.PAID_OUTSIDE:
            return {OTHER_BANK_MOVEMENTS: held}
        if resolution == Resolution.ARRIVED:
            return {self.transfer_account(exception): held}
        return {gateway_receivable(exception.gateway): held}

    def transfer_account(self, exception: "ReconciliationException") -> str:
        """Return the account of what the settlement of an exception transfers."""
        if exception.settlement_id is None:
            return SETTLEMENT_IN_TRANSIT
        return transfer_account(selectors.get_settlement(exception.settlement_id))


class OverdueReceivableResolver(HeldAmountResolver):
    """Resolves exceptions about a receivable that is overdue: nothing is held, and the gateway owes the amount."""

    def lock(self) -> None:
        """Keep the settlement line of the payment from being booked at the same time."""
        locks.lock_line_booking()

    def owed_amount(self, exception: "ReconciliationException") -> int:
        """Return the receivable that an open exception is about."""
        if exception.held_amount or exception.resolved_at is not None:
            return 0
        return self.receivable(exception)

    def receivable(self, exception: "ReconciliationException") -> int:
        """Return what the gateway owes of the payment, or of no payment, now."""
        return receivables.receivable_of(exception.attempt_id, gateway=exception.gateway, currency=exception.currency)

    def check(self, exception: "ReconciliationException", resolution: Resolution, *, owed: int) -> None:
        """
        Check that the receivable is the one that the exception states, and that the resolution says where it went.

        :raises ReceivableChanged: if the gateway now owes another amount
        :raises ReceivableOutstanding: if the resolution does not say where the money went
        """
        if owed != exception.expected_amount:
            raise ReceivableChanged(exception.entity_id, rupees(owed), rupees(exception.expected_amount or 0))
        self.check_outstanding(exception, resolution, owed=owed)

    def check_outstanding(self, exception: "ReconciliationException", resolution: Resolution, *, owed: int) -> None:
        """
        Check that a resolution says where an owed amount went.

        :raises ReceivableOutstanding: if it does not
        """
        if owed and resolution in (Resolution.NOTED, Resolution.CLEARED):
            raise ReceivableOutstanding(rupees(owed), exception.entity_id, param="resolution")

    def entries(self, exception: "ReconciliationException", resolution: Resolution, *, owed: int) -> dict[str, int]:
        """Return the entries that clear the receivable, or take what is held out of suspense."""
        if exception.held_amount:
            return super().entries(exception, resolution, owed=owed)
        if not owed:
            return {}
        receivable = {gateway_receivable(exception.gateway): -owed}
        if resolution == Resolution.WRITTEN_OFF:
            return {**receivable, gateway_fees(exception.gateway): owed}
        fee, tax = self.fee(exception)
        return {
            **receivable,
            OTHER_BANK_MOVEMENTS: owed - fee,
            gateway_fees(exception.gateway): fee - tax,
            INPUT_GST: tax,
        }

    def fee(self, exception: "ReconciliationException") -> tuple[int, int]:
        """Return the fee, with its GST, and that GST, which are deducted from what the gateway owes."""
        return 0, 0


class MissingLineResolver(OverdueReceivableResolver):
    """Resolves exceptions about a payment or refund without a settlement line."""

    def receivable(self, exception: "ReconciliationException") -> int:
        """Return the amount of the payment, or the expected amount of a refund."""
        if exception.attempt_id is not None:
            return payments.get_attempt(exception.attempt_id).amount
        return exception.expected_amount or 0

    def check(self, exception: "ReconciliationException", resolution: Resolution, *, owed: int) -> None:
        """
        Check that the resolution says where the money went.

        :raises ReceivableOutstanding: if it does not
        """
        self.check_outstanding(exception, resolution, owed=owed)

    def destination(self, exception: "ReconciliationException", resolution: Resolution) -> dict[str, int]:
        """Return the entries that balance what is held: the missing line would have cleared the payment with its fee."""
        if resolution in (Resolution.WRITTEN_OFF, Resolution.PAID_OUTSIDE, Resolution.ARRIVED):
            return super().destination(exception, resolution)
        fee, tax = self.fee(exception)
        return {
            gateway_receivable(exception.gateway): exception.held_amount - fee,
            gateway_fees(exception.gateway): fee - tax,
            INPUT_GST: tax,
        }

    def fee(self, exception: "ReconciliationException") -> tuple[int, int]:
        """Return the fee of the payment, with its GST, and that GST; zeros for a refund."""
        if exception.attempt_id is None:
            return 0, 0
        attempt = payments.get_attempt(exception.attempt_id)
        return attempt.fee_amount or 0, attempt.fee_tax_amount or 0


class FailedSettlementResolver(OverdueReceivableResolver):
    """
    Resolves exceptions about a settlement whose transfer failed: the gateway owes its amount until it comes otherwise.

    It is owed of no payment: the payments were settled, and the transfer of their sum failed.
    """

    def owed_amount(self, exception: "ReconciliationException") -> int:
        """Return what of the amount is still owed."""
        settlement_id = exception.settlement_id
        if settlement_id is None or selectors.get_settlement(settlement_id).transfer_status != TransferStatus.FAILED:
            return 0
        return super().owed_amount(exception)

    def receivable(self, exception: "ReconciliationException") -> int:
        """Return what of the amount the gateway owes of no payment; less than all if something has cleared it."""
        return max(0, min(super().receivable(exception), exception.expected_amount or 0))

    def check(self, exception: "ReconciliationException", resolution: Resolution, *, owed: int) -> None:
        """
        Check that the resolution says where an amount that is still owed went.

        :raises ReceivableOutstanding: if all of it is owed, and the resolution does not say so
        :raises ReceivableChanged: if only a part of it is owed, and the resolution is about all of it
        """
        if owed == exception.expected_amount:
            self.check_outstanding(exception, resolution, owed=owed)
        elif owed and resolution in (Resolution.WRITTEN_OFF, Resolution.PAID_OUTSIDE):
            raise ReceivableChanged(exception.entity_id, rupees(owed), rupees(exception.expected_amount or 0))

    def entries(self, exception: "ReconciliationException", resolution: Resolution, *, owed: int) -> dict[str, int]:
        """Return the entries that clear the receivable; none if it was cleared otherwise."""
        if resolution not in (Resolution.WRITTEN_OFF, Resolution.PAID_OUTSIDE):
            return {}
        return super().entries(exception, resolution, owed=owed)


class BankLineResolver(HeldAmountResolver):
    """Resolves exceptions about a line of a bank's statement, whose amount is in suspense."""

    def check(self, exception: "ReconciliationException", resolution: Resolution, *, owed: int) -> None:
        """
        Check that no settlement is in transit that the line brings: nothing but the line would end that.

        :raises BankLineOfSettlementInTransit: if there is one
        """
        line = selectors.find_bank_line_of_exception(exception.pk)
        if line is None or line.amount <= 0:
            return
        references = rules.list_references(line.reference, line.description)
        for settlement in selectors.list_settlements_of_references(references):
            if settlement.transfer_status == TransferStatus.IN_TRANSIT:
                raise BankLineOfSettlementInTransit(settlement.gateway_settlement_id, param="resolution")

    def destination(self, exception: "ReconciliationException", resolution: Resolution) -> dict[str, int]:
        """Return the entries that balance what is held; `booked` is that of a line assigned to a settlement."""
        if resolution == Resolution.WRITTEN_OFF:
            return {BANK_CHARGES: exception.held_amount}
        if resolution == Resolution.BOOKED:
            return {SETTLEMENT_IN_TRANSIT: exception.held_amount}
        return super().destination(exception, resolution)


class NotImportedResolver(ledger.ExceptionResolver):
    """Refuses to resolve the exception that no settlement is imported: it closes once one is."""

    def check(self, exception: "ReconciliationException", resolution: Resolution, *, owed: int) -> None:
        """
        Refuse.

        :raises SettlementsNotImported: always
        """
        raise SettlementsNotImported(exception.gateway.capitalize())


def register_resolvers() -> None:
    """Register how the exceptions of settlements are resolved; called when the app starts."""
    ledger.register_resolver(HeldAmountResolver(), reasons=_HOLDING)
    ledger.register_resolver(MissingLineResolver(), reasons=[ExceptionReason.MISSING_LINE])
    ledger.register_resolver(OverdueReceivableResolver(), reasons=[ExceptionReason.RECEIVABLE_OVERDUE])
    ledger.register_resolver(BankLineResolver(), reasons=_BANK)
    ledger.register_resolver(FailedSettlementResolver(), reasons=[ExceptionReason.SETTLEMENT_FAILED])
    ledger.register_resolver(OverdueTransferResolver(), reasons=[ExceptionReason.TRANSFER_OVERDUE])
    ledger.register_resolver(FeeClaimResolver(), reasons=[ExceptionReason.FEE_OVERCHARGED])
    ledger.register_resolver(NotImportedResolver(), reasons=[ExceptionReason.SETTLEMENTS_NOT_IMPORTED])
