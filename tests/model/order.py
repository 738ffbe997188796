"""An order of the model: its lines, attempts, disputes and refunds, and what is derived of them."""

from dataclasses import dataclass, field

from tests.model.tax import Amounts, Document

LEAST_REFUND = 100  # Razorpay refunds no less than one rupee


def can_refund(amount: int, *, of: int) -> bool:
    """A gateway refunds no less than a rupee, so neither a refund nor what it leaves may be less."""
    return LEAST_REFUND <= amount <= of and not 0 < of - amount < LEAST_REFUND


class Refused(Exception):
    """The pages do not allow this in the present state."""


@dataclass
class Stock:
    on_hand: int
    reserved: int = 0

    @property
    def available(self) -> int:
        return self.on_hand - self.reserved


@dataclass(frozen=True)
class Article:
    """What is sold: price in paise for one unit, rate in basis points."""

    sku: str
    price: int
    rate: int
    tax_included: bool


@dataclass
class Line:
    article: Article
    ordered: int
    amounts: Amounts
    reserved: int = 0
    given_back: int = 0  # units of which the money was refunded, or that were cancelled
    packed: int = 0
    dispatched: int = 0
    delivered: int = 0
    gone: int = 0  # lost or damaged on the way


@dataclass
class Attempt:
    """One payment at the gateway. `rank` of the inbound rule: failed < authorized < captured."""

    amount: int
    status: str = "created"
    applied: bool = False  # pays this order; any other captured money is owed back
    disputes: dict[str, "Dispute"] = field(default_factory=dict)

    @property
    def kept(self) -> int:
        """What a bank wants back or has taken back: it cannot be refunded as well."""
        return sum(dispute.amount for dispute in self.disputes.values() if dispute.status in {"open", "lost"})

    @property
    def is_disputed(self) -> bool:
        return any(dispute.status == "open" for dispute in self.disputes.values())

    def advance(self, status: str) -> bool:
        rank = ("created", "failed", "authorized", "captured").index
        if rank(status) <= rank(self.status):
            return False
        self.status = status
        return True


@dataclass
class Dispute:
    amount: int
    deducted: int = 0
    status: str = "open"


@dataclass
class Refund:
    attempt: Attempt
    amount: int
    status: str
    id: str = ""
    decided_alone: bool = False
    sent: bool = False
    retries: list["Refund"] = field(default_factory=list)
    units: dict[int, int] = field(default_factory=dict)
    credit: Amounts = field(default_factory=Amounts)
    credit_round_off: int = 0

    OPEN = ("requires_approval", "pending", "unknown", "awaiting_transfer")

    @property
    def is_retried(self) -> bool:
        return any(retry.status != "cancelled" for retry in self.retries)

    @property
    def counts(self) -> bool:
        """A refund that may still be paid takes its amount from what can be refunded, as a paid one does."""
        return self.status in self.OPEN or self.status == "processed"


@dataclass
class Order:
    lines: list[Line]
    status: str = "pending_payment"
    attempts: dict[str, Attempt] = field(default_factory=dict)
    refunds: list[Refund] = field(default_factory=list)
    invoiced: bool = False
    intra_state: bool = True

    @property
    def document(self) -> Document:
        return Document(tuple(line.amounts for line in self.lines))

    @property
    def total(self) -> int:
        return self.document.grand_total

    @property
    def captured(self) -> int:
        return sum(attempt.amount for attempt in self.attempts.values() if attempt.status == "captured")

    @property
    def refunded(self) -> int:
        return sum(refund.amount for refund in self.refunds if refund.status == "processed")

    def refundable(self, attempt: Attempt) -> int:
        if attempt.status != "captured":
            return 0
        refunds = (refund.amount for refund in self.refunds if refund.attempt is attempt and refund.counts)
        return attempt.amount - attempt.kept - sum(refunds)

    @property
    def all_refundable(self) -> int:
        return sum(self.refundable(attempt) for attempt in self.attempts.values())

    @property
    def payment_status(self) -> str:
        """Derived, never stored: a dispute comes first, and money that a bank took back counts as refunded."""
        attempts = self.attempts.values()
        if any(attempt.is_disputed for attempt in attempts):
            return "disputed"
        lost = sum(one.deducted for attempt in attempts for one in attempt.disputes.values() if one.status == "lost")
        back, paid = self.refunded + lost, self.captured
        if back and paid - back < self.total:
            return "refunded" if back >= paid else "partially_refunded"
        if paid - back > self.total:
            return "overpaid"
        if paid - back == self.total:
            return "paid"
        return "processing" if any(attempt.status == "authorized" for attempt in attempts) else "unpaid"

    @property
    def credited(self) -> Amounts:
        return sum((refund.credit for refund in self.refunds), Amounts())
