"""An order of the model: its lines, attempts, disputes and refunds, and what is derived of them."""

from collections import Counter
from dataclasses import dataclass, field

from tests.model.tax import Amounts, Document

#: Which units a refund for goods that had been sent is about.
FIRST_TAKEN = {"goods_returned": ("arrived", "under way", "stays"), "goods_missing": ("under way", "arrived", "stays")}
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
    packed: int = 0
    dispatched: int = 0
    delivered: int = 0

    @property
    def shipped(self) -> int:
        """A unit is in one parcel at most, also if that was lost."""
        return self.packed + self.dispatched


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
    gateway_id: str = ""  # of one that was made on the gateway's dashboard, which names no refund of ours
    decided_alone: bool = False
    sent: bool = False
    retries: list["Refund"] = field(default_factory=list)
    units: dict[int, int] = field(default_factory=dict)
    reason: str = ""
    taken: dict[int, Counter[str]] = field(default_factory=dict)  # by line: what its units were when it was requested
    is_of_all_lines: bool = True  # it took the same part of each line when it was requested
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
        return max(0, self.unpromised(attempt))

    def unpromised(self, attempt: Attempt) -> int:
        """Less than nothing if the gateway has refunded what another refund still waits for."""
        if attempt.status != "captured":
            return 0
        refunds = (refund.amount for refund in self.refunds if refund.attempt is attempt and refund.counts)
        return attempt.amount - attempt.kept - sum(refunds)

    def units_left(self, at: int) -> int:
        """The units of a line of which no refund has the money."""
        return self.lines[at].ordered - sum(one.units.get(at, 0) for one in self.refunds if one.counts)

    def takes_all_lines(self, refund: Refund) -> bool:
        """An amount takes the same part of each line, unless a refund of units left more of one line than of another."""
        others = (one for one in self.refunds if one is not refund and one.counts)
        return not refund.units and (not refund.attempt.applied or all(one.is_of_all_lines for one in others))

    def take_lines(self, refund: Refund) -> None:
        """
        Decide what of its lines, and which of their units, a refund is about, as they are now.

        Returned goods had arrived; missing or damaged ones had been sent; any other refund first takes what stayed.
        """
        refund.is_of_all_lines = self.takes_all_lines(refund)
        for at, count in refund.units.items():
            line = self.lines[at]
            others: Counter[str] = Counter()
            for one in self.refunds:
                if one is not refund and one.counts:
                    others.update(one.taken.get(at, {}))
            free = {
                "stays": line.ordered - line.dispatched - others["stays"],
                "under way": line.dispatched - line.delivered - others["under way"],
                "arrived": line.delivered - others["arrived"],
            }
            refund.taken[at] = taken = Counter()
            for kind in FIRST_TAKEN.get(refund.reason, ("stays", "under way", "arrived")):
                taken[kind] = min(max(0, free[kind]), count - taken.total())

    def refunded_units(self, at: int, *, is_processed: bool = False) -> Counter[str]:
        """The refunded units of a line, by what they were when their refunds were requested."""
        counted = [one for one in self.refunds if (one.status == "processed" if is_processed else one.counts)]
        found: Counter[str] = Counter()
        for one in counted:
            found.update(one.taken.get(at, {}))
        return found

    @property
    def all_refundable(self) -> int:
        return sum(self.refundable(attempt) for attempt in self.attempts.values())

    @property
    def is_disputed(self) -> bool:
        return any(attempt.is_disputed for attempt in self.attempts.values())

    @property
    def lost(self) -> int:
        """What banks took back for good."""
        disputes = (one for attempt in self.attempts.values() for one in attempt.disputes.values())
        return sum(one.deducted for one in disputes if one.status == "lost")

    @property
    def is_given_back(self) -> bool:
        """All of the money is refunded, on its way back or lost; less than a rupee is nothing."""
        has_returned = self.lost > 0 or any(one.counts for one in self.refunds)
        return has_returned and self.all_refundable < LEAST_REFUND

    @property
    def is_balanced(self) -> bool:
        """Nothing is disputed, paid beyond the total or still to be refunded; what failed is still to be refunded."""
        waits = any(one.status in one.OPEN or (one.status == "failed" and not one.is_retried) for one in self.refunds)
        return not (self.is_disputed or waits or self.captured - self.refunded - self.lost > self.total)

    @property
    def payment_status(self) -> str:
        """Derived, never stored: a dispute comes first, and money that a bank took back counts as refunded."""
        if self.is_disputed:
            return "disputed"
        back, paid = self.refunded + self.lost, self.captured
        if back and paid - back < self.total:
            return "refunded" if back >= paid else "partially_refunded"
        if paid - back > self.total:
            return "overpaid"
        if paid - back == self.total:
            return "paid"
        return "processing" if any(attempt.status == "authorized" for attempt in self.attempts.values()) else "unpaid"

    @property
    def credited(self) -> Amounts:
        return sum((refund.credit for refund in self.refunds), Amounts())

    @property
    def credited_total(self) -> int:
        return self.credited.total + sum(refund.credit_round_off for refund in self.refunds)
