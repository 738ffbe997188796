"""
Orders, stock, payments, refunds, disputes and parcels by the model.

Written from the pages that say what Bahi promises (states and the inbound payment rule of the API, the invariants, GST
law), before its services were read. An operation that the pages forbid raises `Refused` and changes nothing.
"""

from dataclasses import dataclass, field
from fractions import Fraction

from tests.model.books import Books
from tests.model.tax import Amounts, Document, is_share_of, tax_line

LEAST_REFUND = 100  # Razorpay refunds no less than one rupee
CENTS_OF_ROUNDING = 1  # what a share of an invoiced tax may differ from the rate on the returned value


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
    restocked: int = 0
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
    disputed: str = ""

    def advance(self, status: str) -> bool:
        rank = ("created", "failed", "authorized", "captured").index
        if rank(status) <= rank(self.status):
            return False
        self.status = status
        return True


@dataclass
class Refund:
    attempt: Attempt
    amount: int
    status: str
    units: dict[int, int] = field(default_factory=dict)
    credit: Amounts = field(default_factory=Amounts)
    credit_round_off: int = 0

    OPEN = ("requires_approval", "pending", "unknown", "awaiting_transfer")

    @property
    def counts(self) -> bool:
        """A refund that may still be paid takes its amount from what can be refunded, as a paid one does."""
        return self.status in self.OPEN or self.status == "processed"


@dataclass
class Order:
    lines: list[Line]
    status: str = "pending_payment"
    attempts: dict[str, Attempt] = field(default_factory=dict)
    refunds: dict[str, Refund] = field(default_factory=dict)
    invoiced: bool = False

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
        return sum(refund.amount for refund in self.refunds.values() if refund.status == "processed")

    def refundable(self, attempt: Attempt) -> int:
        if attempt.status != "captured":
            return 0
        return attempt.amount - sum(
            refund.amount for refund in self.refunds.values() if refund.attempt is attempt and refund.counts
        )

    @property
    def credited(self) -> Amounts:
        return sum((refund.credit for refund in self.refunds.values()), Amounts())


class Shop:
    """All that a shop owns and owes, by the pages."""

    def __init__(self, *, approval_above: int, intra_state: bool = True) -> None:
        self.stock: dict[str, Stock] = {}
        self.articles: dict[str, Article] = {}
        self.orders: dict[str, Order] = {}
        self.books = Books()
        self.approval_above = approval_above
        self.intra_state = intra_state

    def sell(self, article: Article, on_hand: int) -> None:
        self.articles[article.sku] = article
        self.stock[article.sku] = Stock(on_hand)

    # -- orders ----------------------------------------------------------------------------------------------------

    def place(self, name: str, wanted: dict[str, int]) -> Order:
        """Place an order: all of its units are held, or none."""
        if any(self.stock[sku].available < units for sku, units in wanted.items()):
            raise Refused
        lines = []
        for sku, units in wanted.items():
            article = self.articles[sku]
            amounts = tax_line(
                article.price * units, article.rate, intra_state=self.intra_state, tax_included=article.tax_included
            )
            lines.append(Line(article, units, amounts))
        order = self.orders[name] = Order(lines)
        self._reserve(order)
        return order

    def cancel(self, name: str) -> list[Refund]:
        """Cancel an order of which nothing is dispatched; what was paid for it is refunded."""
        order = self.orders[name]
        if order.status not in {"pending_payment", "confirmed", "on_hold", "in_fulfilment"}:
            raise Refused
        if any(line.dispatched for line in order.lines) or any(a.disputed == "open" for a in order.attempts.values()):
            raise Refused
        order.status = "cancelled"
        for line in order.lines:
            line.packed = 0
            line.given_back = line.ordered
        self._release(order)
        for refund in order.refunds.values():
            if refund.status == "requires_approval":
                refund.status = "cancelled"
        return [self._refund_rest(order, attempt) for attempt in order.attempts.values() if order.refundable(attempt)]

    def expire(self, name: str) -> None:
        """The time to pay is over. An order with money under way stays."""
        order = self.orders[name]
        if order.status != "pending_payment" or any(
            attempt.status in {"authorized", "captured"} for attempt in order.attempts.values()
        ):
            raise Refused
        order.status = "expired"
        self._release(order)

    # -- payments --------------------------------------------------------------------------------------------------

    def gateway_says(self, name: str, attempt_id: str, status: str, amount: int) -> None:
        """The one inbound rule: merge by rank, post once, then see what the money means for the order."""
        order = self.orders[name]
        attempt = order.attempts.setdefault(attempt_id, Attempt(amount))
        if attempt.advance(status) and status == "captured":
            self.books.capture(attempt_id, amount)
            self._use(order, attempt)

    def _use(self, order: Order, attempt: Attempt) -> None:
        if order.status == "expired" and self._can_reserve(order):
            order.status = "pending_payment"
            self._reserve(order)
        if order.status != "pending_payment":
            self._refund_rest(order, attempt)
            return
        order.status, attempt.applied, order.invoiced = "confirmed", True, True
        self.books.invoice(id(order), order.document.sum, order.document.round_off)

    # -- refunds ---------------------------------------------------------------------------------------------------

    def request_refund(
        self, name: str, refund_id: str, attempt_id: str, amount: int, units: dict[int, int] | None = None
    ) -> Refund:
        """Request a refund of an amount of a captured attempt, or of units of lines for that amount."""
        order, units = self.orders[name], units or {}
        attempt = order.attempts[attempt_id]
        if attempt.disputed == "open" or not LEAST_REFUND <= amount <= order.refundable(attempt):
            raise Refused
        if any(count > order.lines[at].ordered - order.lines[at].given_back for at, count in units.items()):
            raise Refused
        status = "requires_approval" if amount > self.approval_above else "pending"
        order.refunds[refund_id] = refund = Refund(attempt, amount, status, units)
        return refund

    def _refund_rest(self, order: Order, attempt: Attempt) -> Refund:
        """What the shop owes back by its own rules waits for nobody's approval."""
        refund = Refund(attempt, order.refundable(attempt), "pending")
        order.refunds[f"own-{len(order.refunds)}"] = refund
        return refund

    def approve(self, refund: Refund) -> None:
        self._move(refund, {"requires_approval"}, "pending")

    def reject(self, refund: Refund) -> None:
        self._move(refund, {"requires_approval"}, "cancelled")

    def fail_refund(self, refund: Refund) -> None:
        self._move(refund, {"pending", "unknown"}, "failed")

    def process_refund(self, order: Order, refund_id: object, refund: Refund) -> None:
        """The gateway paid. Money of an invoice is credited by a note; surplus money never was on one."""
        if refund.status == "processed":
            return
        self._move(refund, {"pending", "unknown"}, "processed")
        self.books.refund(refund_id, refund.amount)

    def transfer_refund(self, refund_id: object, refund: Refund) -> None:
        self._move(refund, {"awaiting_transfer"}, "processed")
        self.books.transfer(refund_id, refund.amount)

    def credit(self, order: Order, note_id: object, refund: Refund, amounts: Amounts, round_off: int) -> None:
        """
        Take over a credit note after judging it: it credits the refund, to the paisa, in the proportions of the invoice.

        How a share is rounded to paise the law leaves to the shop (share of the invoiced tax, or the rate on the
        returned value: they differ by a paisa). So the split is judged within that, and the sums exactly.
        """
        invoice = order.document
        assert amounts.total + round_off == refund.amount, "the credit note is not of the refunded amount"
        assert amounts.cgst == amounts.sgst, "CGST and SGST differ"
        if not refund.units:
            part = Fraction(refund.amount, invoice.grand_total)
            tolerance = 2 * CENTS_OF_ROUNDING * len(order.lines)
            assert is_share_of(amounts, invoice.sum, part, tolerance=tolerance), "not the invoice's proportions"
        refund.credit, refund.credit_round_off = amounts, round_off
        left = invoice.sum - order.credited
        assert min(left.heads()) >= 0, "more is credited than was invoiced"
        self.books.credit_note(note_id, amounts, round_off)

    def restock(self, order: Order, at: int, units: int) -> None:
        """Units that never left are for sale again."""
        line = order.lines[at]
        freed = min(units, line.reserved)
        line.given_back += units
        line.reserved -= freed
        self.stock[line.article.sku].reserved -= freed

    @staticmethod
    def _move(refund: Refund, sources: set[str], status: str) -> None:
        if refund.status not in sources:
            raise Refused
        refund.status = status

    # -- disputes, settlements -------------------------------------------------------------------------------------

    def dispute(self, attempt: Attempt) -> None:
        if attempt.status != "captured":
            raise Refused
        attempt.disputed = attempt.disputed or "open"

    def close_dispute(self, attempt_id: object, attempt: Attempt, *, lost: int) -> None:
        """`lost` is the amount deducted; 0 when the dispute is won."""
        if attempt.disputed != "open":
            return
        attempt.disputed = "lost" if lost else "won"
        if lost:
            self.books.deduct_dispute(attempt_id, lost)

    # -- parcels ---------------------------------------------------------------------------------------------------

    def pack(self, name: str, units: dict[int, int]) -> None:
        order = self.orders[name]
        if order.status not in {"confirmed", "in_fulfilment"} or order.refunded >= order.captured:
            raise Refused
        if any(count > order.lines[at].reserved - order.lines[at].packed for at, count in units.items()):
            raise Refused
        for at, count in units.items():
            order.lines[at].packed += count

    def dispatch(self, name: str, units: dict[int, int]) -> None:
        """Goods leave: the reservation is consumed and the stock on hand falls, both by the same units."""
        order = self.orders[name]
        if any(attempt.disputed == "open" for attempt in order.attempts.values()):
            raise Refused
        for at, count in units.items():
            line, stock = order.lines[at], self.stock[order.lines[at].article.sku]
            line.packed -= count
            line.reserved -= count
            line.dispatched += count
            stock.reserved -= count
            stock.on_hand -= count
        order.status = "in_fulfilment"

    def arrive(self, name: str, units: dict[int, int], *, safely: bool) -> None:
        order = self.orders[name]
        for at, count in units.items():
            if safely:
                order.lines[at].delivered += count
            else:
                order.lines[at].gone += count
        if all(line.delivered + line.given_back >= line.ordered for line in order.lines):
            order.status = "completed"

    # -- stock -----------------------------------------------------------------------------------------------------

    def _can_reserve(self, order: Order) -> bool:
        return all(self.stock[line.article.sku].available >= line.ordered for line in order.lines)

    def _reserve(self, order: Order) -> None:
        for line in order.lines:
            line.reserved = line.ordered
            line.given_back = 0
            self.stock[line.article.sku].reserved += line.ordered

    def _release(self, order: Order) -> None:
        for line in order.lines:
            self.stock[line.article.sku].reserved -= line.reserved
            line.reserved = 0
