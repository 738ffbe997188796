"""
Orders, stock, payments, refunds and disputes by the model; `parcels.py` and `bank.py` have the rest.

Written from the pages that say what Bahi promises (states and the inbound payment rule of the API, the invariants, GST
law), before its services were read. An operation that the pages forbid raises `Refused` and changes nothing.
"""

from dataclasses import replace
from fractions import Fraction

from tests.model.bank import Bank
from tests.model.books import Books
from tests.model.order import (
    LEAST_REFUND,
    Article,
    Attempt,
    Dispute,
    Line,
    Order,
    Refund,
    Refused,
    Stock,
    can_refund,
)
from tests.model.parcels import Parcels
from tests.model.tax import Amounts, is_share_of, tax_line

CENTS_OF_ROUNDING = 1  # what a share of an invoiced tax may differ from the rate on the returned value


class Shop(Parcels, Bank):
    """All that a shop owns and owes, by the pages."""

    def __init__(self, *, approval_above: int, invoices_at_dispatch: bool = False) -> None:
        super().__init__()
        self.stock: dict[str, Stock] = {}
        self.articles: dict[str, Article] = {}
        self.orders: dict[str, Order] = {}
        self.books = Books()
        self.approval_above = approval_above
        self.invoices_at_dispatch = invoices_at_dispatch

    def sell(self, article: Article, on_hand: int) -> None:
        self.articles[article.sku] = article
        self.stock[article.sku] = Stock(on_hand)

    # -- orders ----------------------------------------------------------------------------------------------------

    def place(self, name: str, wanted: dict[str, int], *, intra_state: bool = True) -> Order:
        """Place an order: all of its units are held, or none."""
        if any(self.stock[sku].available < units for sku, units in wanted.items()):
            raise Refused
        lines = []
        for sku, units in wanted.items():
            article = self.articles[sku]
            amounts = tax_line(
                article.price * units, article.rate, intra_state=intra_state, tax_included=article.tax_included
            )
            lines.append(Line(article, units, amounts))
        order = self.orders[name] = Order(lines, intra_state=intra_state)
        self._reserve(order)
        return order

    def cancel(self, name: str, *, waits_above: int | None = None) -> list[Refund]:
        """Cancel an order of which nothing is dispatched; what was paid for it is refunded."""
        order = self.orders[name]
        if order.status not in {"pending_payment", "confirmed", "on_hold", "in_fulfilment"}:
            raise Refused
        attempts = order.attempts.values()
        if any(line.dispatched for line in order.lines) or order.is_disputed:
            raise Refused
        if order.status == "pending_payment" and any(attempt.status == "authorized" for attempt in attempts):
            raise Refused
        order.status = "cancelled"
        self.cancel_parcels(name)
        self.release_stock(order)
        for refund in order.refunds:
            if refund.status == "requires_approval":
                refund.status = "cancelled"
        alone = self.decided_alone(order)
        is_above = waits_above is not None and alone + order.all_refundable > waits_above
        status = "requires_approval" if is_above else "pending"
        refunds = [self._refund_rest(order, attempt, status) for attempt in attempts if order.refundable(attempt) > 0]
        for refund in refunds:
            refund.decided_alone = waits_above is not None and not is_above
        return refunds

    def expire(self, name: str) -> None:
        """The time to pay is over. An order with money under way stays."""
        order = self.orders[name]
        if order.status != "pending_payment" or any(
            attempt.status in {"authorized", "captured"} for attempt in order.attempts.values()
        ):
            raise Refused
        order.status = "expired"
        self.release_stock(order)

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
            self._refund_rest(order, attempt, "pending")
            return
        order.status, attempt.applied = "confirmed", True

    def issue_invoice(self, order: Order) -> None:
        """Goods that stand sold are invoiced, once; an order that was cancelled before needs no document."""
        is_sold = order.status in {"confirmed", "on_hold", "in_fulfilment", "completed", "closed"}
        if is_sold and not self.invoices_at_dispatch:
            self.post_invoice(order)

    # -- refunds ---------------------------------------------------------------------------------------------------

    @staticmethod
    def decided_alone(order: Order) -> int:
        """What single persons decided of this order: an amount cannot be split to stay under the limit."""
        counted = ("pending", "unknown", "awaiting_transfer", "processed")
        return sum(one.amount for one in order.refunds if one.decided_alone and one.status in counted)

    def request_refund(
        self,
        name: str,
        attempt_id: str,
        amount: int,
        *,
        is_approver: bool,
        units: dict[int, int] | None = None,
        reason: str = "",
    ) -> Refund:
        """Request a refund of an amount of a captured attempt, or of units of lines for that amount."""
        order = self.orders[name]
        attempt = order.attempts[attempt_id]
        if amount > order.refundable(attempt):
            raise Refused
        alone = is_approver and self.decided_alone(order) + amount <= self.approval_above
        refund = Refund(attempt, amount, "pending" if alone else "requires_approval", units=units or {})
        refund.decided_alone, refund.reason = alone, reason
        order.take_lines(refund)
        order.refunds.append(refund)
        return refund

    def _refund_rest(self, order: Order, attempt: Attempt, status: str) -> Refund:
        """What the shop owes back by its own rules waits for nobody's approval."""
        refund = Refund(attempt, order.refundable(attempt), status)
        order.take_lines(refund)
        order.refunds.append(refund)
        return refund

    def approve(self, order: Order, refund: Refund) -> None:
        if order.unpromised(refund.attempt) < 0:
            raise Refused
        self._move(refund, {"requires_approval"}, "pending")
        refund.decided_alone = False

    def drop(self, order: Order, refund: Refund, sources: set[str]) -> None:
        """
        Reject or cancel: the amount and the units can be refunded otherwise.

        What paid a cancelled order never vanishes, so the refund that returns it stays; a retry may go, as it repeats one.
        """
        is_retry = any(one is refund for other in order.refunds for one in other.retries)
        if refund.status in sources and order.status == "cancelled" and refund.attempt.applied and not is_retry:
            raise Refused
        self._move(refund, sources, "cancelled")

    def fail_refund(self, refund: Refund) -> None:
        self._move(refund, {"pending", "unknown"}, "failed")

    def refund_at_gateway(self, name: str, attempt_id: str, amount: int, gateway_id: str) -> Refund:
        """
        Take over a refund that somebody made on the gateway's dashboard, where the money is gone whatever we had decided.

        Refunds of ours that were decided and not sent, and whose money it used, are cancelled, the latest first; what
        is left of the last one is requested again under the same decision. One that waits for approval is left to staff.
        """
        order = self.orders[name]
        attempt = order.attempts[attempt_id]
        made = Refund(attempt, amount, "pending", gateway_id=gateway_id, sent=True)
        promised = [one for one in order.refunds if one.attempt is attempt and one.counts]
        promised = [one for one in promised if one.status != "requires_approval"]
        excess = sum(one.amount for one in promised) + amount - attempt.amount
        order.refunds.append(made)
        cancelled = None
        for one in reversed(promised):
            if excess > 0 and one.status == "pending" and not one.sent:
                cancelled, one.status = one, "cancelled"
                excess -= one.amount
        order.take_lines(made)
        if cancelled is not None and -excess >= LEAST_REFUND:
            rest = replace(cancelled, amount=-excess, status="pending", id="", retries=[], units=dict(cancelled.units))
            rest.is_of_all_lines = order.takes_all_lines(rest)
            order.refunds.append(rest)
        return made

    def hold_for_transfer(self, order: Order, refund: Refund) -> None:
        """A refund that the gateway failed to make is to be paid from our bank."""
        if refund.status != "awaiting_transfer":
            self._check_revivable(order, refund)
            order.take_lines(refund)
        refund.status, refund.decided_alone = "awaiting_transfer", False

    def retry(self, order: Order, refund: Refund) -> Refund:
        """Request a failed refund again, as another one; the requester may decide about it alone up to the limit."""
        self._check_revivable(order, refund)
        alone = self.decided_alone(order) + refund.amount <= self.approval_above
        retry = Refund(refund.attempt, refund.amount, "pending" if alone else "requires_approval", units=refund.units)
        retry.decided_alone, retry.reason = alone, refund.reason
        order.take_lines(retry)
        refund.retries.append(retry)
        order.refunds.append(retry)
        return retry

    @staticmethod
    def _check_revivable(order: Order, refund: Refund) -> None:
        has_units = all(order.units_left(at) >= count for at, count in refund.units.items())
        fits = can_refund(refund.amount, of=order.refundable(refund.attempt))
        if refund.status != "failed" or refund.is_retried or not has_units or not fits:
            raise Refused

    def process_refund(self, refund: Refund) -> None:
        """The gateway paid: it owes us less. What it says once more changes nothing."""
        if refund.status == "processed":
            return
        self._move(refund, {"pending", "unknown"}, "processed")
        self.books.refund(id(refund), refund.amount)

    def lose_answer(self, refund: Refund) -> None:
        """The gateway did not answer: it is unknown, and not failed."""
        self._move(refund, {"pending", "unknown"}, "unknown")

    def transfer_refund(self, refund: Refund) -> None:
        self._move(refund, {"awaiting_transfer"}, "processed")
        self.books.transfer(id(refund), refund.amount)

    def credit(self, order: Order, note_id: object, refund: Refund, amounts: Amounts, round_off: int) -> None:
        """
        Take over a credit note after judging it: it credits the refund, to the paisa, in the proportions of the invoice.

        How a share is rounded to paise the law leaves to the shop (share of the invoiced tax, or the rate on the
        returned value: they differ by a paisa). So the split is judged within that, and the sums exactly.
        """
        invoice = order.document
        assert amounts.total + round_off == refund.amount, "the credit note is not of the refunded amount"
        assert amounts.cgst == amounts.sgst, "CGST and SGST differ"
        # An amount that is requested after goods were returned is of what they left, which may have another rate.
        if refund.is_of_all_lines:
            part = Fraction(amounts.total, invoice.sum.total)
            tolerance = 2 * CENTS_OF_ROUNDING * len(order.lines)
            assert is_share_of(amounts, invoice.sum, part, tolerance=tolerance), "not the invoice's proportions"
        assert abs(round_off) <= abs(invoice.round_off) + CENTS_OF_ROUNDING, "more is rounded off than on the invoice"
        refund.credit, refund.credit_round_off = amounts, round_off
        left = invoice.sum - order.credited
        assert min(left.heads()) >= 0, "more is credited than was invoiced"
        assert order.credited_total < order.total or left == Amounts(), "the last note leaves a residue"
        self.books.credit_note(note_id, amounts, round_off)

    @staticmethod
    def _move(refund: Refund, sources: set[str], status: str) -> None:
        if refund.status not in sources:
            raise Refused
        refund.status = status

    # -- disputes -------------------------------------------------------------------------------------------------

    def dispute(self, dispute_id: str, attempt: Attempt, amount: int, *, deducted: int) -> None:
        attempt.disputes[dispute_id] = Dispute(amount)
        self._deduct(dispute_id, attempt.disputes[dispute_id], deducted)

    def close_dispute(self, dispute_id: str, dispute: Dispute, *, is_lost: bool) -> None:
        """What the bank decided stays; a won dispute brings the deducted money back."""
        if dispute.status != "open":
            return
        dispute.status = "lost" if is_lost else "won"
        if is_lost:
            self._deduct(f"{dispute_id} lost", dispute, dispute.amount)
        elif dispute.deducted:
            self.books.restore_dispute(dispute_id, dispute.deducted)
            dispute.deducted = 0

    def _deduct(self, source: str, dispute: Dispute, deducted: int) -> None:
        if deducted > dispute.deducted:
            self.books.deduct_dispute(source, deducted - dispute.deducted)
            dispute.deducted = deducted

    # -- stock -----------------------------------------------------------------------------------------------------

    def _can_reserve(self, order: Order) -> bool:
        return all(self.stock[line.article.sku].available >= line.ordered for line in order.lines)

    def _reserve(self, order: Order) -> None:
        for line in order.lines:
            line.reserved = line.ordered
            self.stock[line.article.sku].reserved += line.ordered
