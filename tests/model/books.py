"""Double entry of the model: balances by role, in paise, debits positive."""

from collections import Counter
from enum import StrEnum

from tests.model.tax import Amounts


class Role(StrEnum):
    """What an account is for. The machine says which of Bahi's accounts has which role."""

    GATEWAY = "owed to us by the gateway"
    CUSTOMERS = "received from customers and not yet invoiced, or credited and not yet refunded"
    SALES = "sales without tax"
    CGST = "output CGST"
    SGST = "output SGST"
    IGST = "output IGST"
    ROUND_OFF = "differences to the whole rupee"
    FEES = "fees of the gateway without tax"
    FEE_TAX = "GST on fees, which we may set off"
    TRANSIT = "transferred by the gateway, not yet seen at the bank"
    BANK = "seen on a statement of the bank"
    DISPUTES = "deducted by the gateway for disputes"
    BANK_CHARGES = "charges of the bank without tax"
    SUSPENSE = "not understood"


class Books:
    """Every business fact is one posting that sums to zero, and is posted once."""

    def __init__(self) -> None:
        self.balances: Counter[Role] = Counter()
        self._posted: set[tuple[str, object]] = set()

    def post(self, kind: str, source: object, **by_role: int) -> None:
        """Post one fact; of a fact posted before nothing happens. Raises AssertionError unless it sums to zero."""
        if (kind, source) in self._posted:
            return
        assert sum(by_role.values()) == 0, f"the model's own posting {kind} does not balance: {by_role}"
        self._posted.add((kind, source))
        for role, amount in by_role.items():
            self.balances[Role[role]] += amount

    def capture(self, source: object, amount: int) -> None:
        self.post("capture", source, GATEWAY=amount, CUSTOMERS=-amount)

    def invoice(self, source: object, amounts: Amounts, round_off: int) -> None:
        """Goods are supplied: what the customer paid in advance becomes sales and output tax."""
        self.post(
            "invoice", source, CUSTOMERS=amounts.total + round_off, SALES=-amounts.taxable, CGST=-amounts.cgst,
            SGST=-amounts.sgst, IGST=-amounts.igst, ROUND_OFF=-round_off,
        )  # fmt: skip

    def credit_note(self, source: object, amounts: Amounts, round_off: int) -> None:
        """The reverse of an invoice, for the part that is credited (s. 34)."""
        self.post(
            "credit note", source, CUSTOMERS=-(amounts.total + round_off), SALES=amounts.taxable, CGST=amounts.cgst,
            SGST=amounts.sgst, IGST=amounts.igst, ROUND_OFF=round_off,
        )  # fmt: skip

    def refund(self, source: object, amount: int) -> None:
        self.post("refund", source, CUSTOMERS=amount, GATEWAY=-amount)

    def transfer(self, source: object, amount: int) -> None:
        """A refund by bank transfer: our bank paid, the gateway did not."""
        self.post("transfer", source, CUSTOMERS=amount, BANK=-amount)

    def settle(self, source: object, *, credited: int, debited: int, fees: int, tax_on_fees: int) -> None:
        """The gateway transfers what it holds less its fees. `fees` without tax."""
        transferred = credited - debited - fees - tax_on_fees
        self.post("settlement", source, TRANSIT=transferred, FEES=fees, FEE_TAX=tax_on_fees, GATEWAY=debited - credited)

    def return_transfer(self, source: object, amount: int) -> None:
        """A transfer failed, so that the gateway owes it again; a negative amount was transferred once more."""
        self.post("transfer returned", source, GATEWAY=amount, TRANSIT=-amount)

    def bank(self, source: object, amount: int) -> None:
        self.post("bank", source, BANK=amount, TRANSIT=-amount)

    def suspend(self, source: object, amount: int) -> None:
        """The bank's statement has a line that nothing explains, a debit if it is negative."""
        self.post("bank", source, BANK=amount, SUSPENSE=-amount)

    def explain(self, source: object, amount: int) -> None:
        """What was in suspense turned out to be a settlement."""
        self.post("explained", source, SUSPENSE=amount, TRANSIT=-amount)

    def charge(self, source: object, amount: int, tax: int) -> None:
        self.post("bank", source, BANK=-amount, BANK_CHARGES=amount - tax, FEE_TAX=tax)

    def deduct_dispute(self, source: object, amount: int) -> None:
        self.post("dispute deducted", source, DISPUTES=amount, GATEWAY=-amount)

    def restore_dispute(self, source: object, amount: int) -> None:
        self.post("dispute restored", source, DISPUTES=-amount, GATEWAY=amount)
