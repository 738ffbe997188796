"""Disputes: a payer's bank wants money back, takes it at once or later, and decides."""

from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import precondition

from apps.core.events import SYSTEM
from apps.payments.facts import GatewayDispute
from apps.payments.services.disputes import gateway_updates as dispute_updates
from apps.payments.states import Source
from tests.model.driver import Kill
from tests.model.stage import PICK, Stage, Trouble, step


class Disputing(Stage):
    """The rules about disputes."""

    @step(index=PICK, is_half=st.booleans(), takes_now=st.booleans())
    @precondition(lambda self: self.has_captured())
    def bank_disputes(self, trouble: Trouble, index: int, *, is_half: bool, takes_now: bool) -> None:
        captured_ones = [
            (name, gateway_id)
            for name, order in self.model.orders.items()
            for gateway_id, attempt in order.attempts.items()
            if order.refundable(attempt) >= 400
        ]
        name, gateway_id = self.pick(captured_ones, index)
        order = self.model.orders[name]
        left = order.refundable(order.attempts[gateway_id])
        amount = left // 2 if is_half else left
        facts = GatewayDispute(
            gateway="razorpay", id=self.truth.new_id("disp"), gateway_payment_id=gateway_id, status="open",
            phase="chargeback", amount=amount, amount_deducted=amount if takes_now else 0, currency="INR",
            reason_code="fraud", respond_by=None, created_at=self.driver.now,
        )  # fmt: skip
        self._report_dispute(facts, trouble.kill)
        self.model.dispute(facts.id, order.attempts[gateway_id], amount, deducted=facts.amount_deducted)
        self.disputes.append(facts)
        self.truth.disputes[facts.id] = facts
        self.finish()

    @step(index=PICK, status=st.sampled_from(["won", "lost"]))
    @precondition(lambda self: self.disputes)
    def bank_decides(self, trouble: Trouble, index: int, status: str) -> None:
        at = index % len(self.disputes)
        facts = self.disputes[at]
        # The report of a won dispute may still say what was deducted: it comes back whatever it says.
        taken = facts.amount if status == "lost" else facts.amount_deducted
        decided = replace(facts, status=status, amount_deducted=taken)
        if self.truth.disputes[facts.id].status == "open":
            self.truth.disputes[facts.id] = decided
        dispute = next(
            attempt.disputes[facts.id]
            for order in self.model.orders.values()
            for attempt in order.attempts.values()
            if facts.id in attempt.disputes
        )
        is_contradiction = dispute.status not in {"open", status}
        for _ in range(2 if trouble.is_repeated else 1):
            try:
                self._report_dispute(decided, trouble.kill)
            except dispute_updates.DisputeFactsConflict:
                assert is_contradiction, "the product refuses how a dispute was decided"
            else:
                assert not is_contradiction, "the product takes another end of a decided dispute"
        self.model.close_dispute(facts.id, dispute, is_lost=status == "lost")
        self.finish()

    def _report_dispute(self, facts: GatewayDispute, kill: Kill | None) -> None:
        self.driver.do(
            lambda: dispute_updates.apply_gateway_dispute(
                facts=facts, source=Source.POLL, actor=SYSTEM, now=self.driver.now
            ),
            kill,
        )
