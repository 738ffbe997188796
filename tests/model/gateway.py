"""
A gateway in memory: what is true there, how it answers, and a log of what it answered.

It stands for the world outside, so it judges too: the test fails if it is asked to refund more than it captured, or
the same refund twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from apps.payments.facts import (
    GatewayDispute,
    GatewayError,
    GatewayOrder,
    GatewayPayment,
    GatewayRefund,
    GatewaySettlement,
    UpiIntent,
)
from apps.payments.gateways.interface import GatewayOutcomeUnknown, GatewayRejected, GatewayUnavailable, Payer
from apps.payments.gateways.razorpay.adapter import Razorpay

#: How a call for a refund ends: made and said so, made at once, made and no answer, no answer and not made, refused, busy.
ANSWERS = ("pending", "processed", "answer_lost", "call_lost", "rejected", "busy")


@dataclass
class Truth:
    """What the gateway knows. `log` has what it said of payments and refunds since it was last read."""

    orders: dict[str, GatewayOrder] = field(default_factory=dict)
    payments: dict[str, GatewayPayment] = field(default_factory=dict)
    refunds: dict[str, GatewayRefund] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    settlements: dict[str, GatewaySettlement] = field(default_factory=dict)
    disputes: dict[str, GatewayDispute] = field(default_factory=dict)
    log: list[GatewayPayment | tuple[str, str]] = field(default_factory=list)
    answer: str = "pending"
    numbers: int = 0
    fouls: list[str] = field(default_factory=list)

    def judge(self, *, is_right: bool, foul: str) -> None:
        """Note what the gateway may not be asked for: pollers catch errors, so that raising alone would say nothing."""
        if not is_right:
            self.fouls.append(foul)
            raise AssertionError(foul)

    def new_id(self, prefix: str) -> str:
        self.numbers += 1
        return f"{prefix}_{self.numbers:014d}"

    def of_order(self, gateway_order_id: str) -> list[GatewayPayment]:
        return [facts for facts in self.payments.values() if facts.order_id == gateway_order_id]

    def of_payment(self, gateway_payment_id: str) -> list[GatewayRefund]:
        return [facts for facts in self.refunds.values() if facts.gateway_payment_id == gateway_payment_id]

    def read_log(self) -> list[GatewayPayment | tuple[str, str]]:
        log, self.log = self.log, []
        return log


class ModelGateway(Razorpay):
    """Razorpay's adapter with its calls over the network answered from `truth`."""

    truth = Truth()

    def create_order(self, *, receipt: str, amount: int, currency: str, notes: Mapping[str, str]) -> GatewayOrder:
        truth = self.truth
        if receipt not in truth.orders:
            truth.orders[receipt] = GatewayOrder(
                id=truth.new_id("order"), amount=amount, currency=currency, receipt=receipt, status="created"
            )
        return truth.orders[receipt]

    def find_order(self, *, receipt: str) -> GatewayOrder | None:
        return self.truth.orders.get(receipt)

    def get_order(self, *, gateway_order_id: str) -> GatewayOrder:
        return next(order for order in self.truth.orders.values() if order.id == gateway_order_id)

    def create_upi_intent(
        self,
        *,
        gateway_order_id: str,
        amount: int,
        currency: str,
        payer: Payer,
        description: str,
        notes: Mapping[str, str],
    ) -> UpiIntent | None:
        return None

    def list_payments(self, *, gateway_order_id: str) -> list[GatewayPayment]:
        facts = self.truth.of_order(gateway_order_id)
        self.truth.log += facts
        return facts

    def get_payment(self, *, gateway_payment_id: str) -> GatewayPayment:
        facts = self.truth.payments[gateway_payment_id]
        self.truth.log.append(facts)
        return facts

    def capture(self, *, gateway_payment_id: str, amount: int, currency: str) -> GatewayPayment:
        found = self.truth.payments[gateway_payment_id]
        is_open = found.status in {"authorized", "captured"}
        self.truth.judge(is_right=is_open, foul="asked to capture what is not authorised")
        self.truth.judge(is_right=found.amount == amount, foul="asked to capture another amount")
        self.truth.payments[gateway_payment_id] = captured(found)
        return self.get_payment(gateway_payment_id=gateway_payment_id)

    def create_refund(
        self,
        *,
        gateway_payment_id: str,
        amount: int,
        speed: str,
        receipt: str,
        notes: Mapping[str, str],
        idempotency_key: str,
    ) -> GatewayRefund:
        truth, ours = self.truth, notes["refund"]
        answer = truth.answer
        if idempotency_key in truth.keys:
            return self._say(truth.refunds[truth.keys[idempotency_key]])
        if answer == "busy":
            raise GatewayUnavailable(GatewayError(status=503))
        if answer == "rejected":
            truth.log.append((ours, "failed"))
            raise GatewayRejected(GatewayError(code="BAD_REQUEST_ERROR", reason="input_validation_failed", status=400))
        if answer == "call_lost":
            truth.log.append((ours, "unknown"))
            raise GatewayOutcomeUnknown(GatewayError(description="no answer"))
        facts = self.make_refund(gateway_payment_id, amount, receipt=receipt, ours=ours)
        truth.keys[idempotency_key] = facts.id
        if answer == "answer_lost":
            truth.log.append((ours, "unknown"))
            raise GatewayOutcomeUnknown(GatewayError(description="no answer"))
        if answer == "processed":
            truth.refunds[facts.id] = replace(facts, status="processed")
        return self._say(truth.refunds[facts.id])

    def make_refund(self, gateway_payment_id: str, amount: int, *, receipt: str, ours: str) -> GatewayRefund:
        truth, payment = self.truth, self.truth.payments[gateway_payment_id]
        made = truth.of_payment(gateway_payment_id)
        is_again = any(ours and one.our_refund == ours for one in made)
        refunded = sum(one.amount for one in made if one.status != "failed")
        is_too_much = refunded + amount > payment.amount
        truth.judge(is_right=payment.status == "captured", foul="asked to refund what is not captured")
        truth.judge(is_right=not is_again, foul="asked twice to make one refund")
        truth.judge(is_right=not is_too_much, foul="asked to refund more than was captured")
        facts = GatewayRefund(
            gateway=self.name,
            id=truth.new_id("rfnd"),
            gateway_payment_id=gateway_payment_id,
            status="pending",
            amount=amount,
            currency=payment.currency,
            our_refund=ours,
            receipt=receipt,
        )
        truth.refunds[facts.id] = facts
        return facts

    def _say(self, facts: GatewayRefund) -> GatewayRefund:
        self.truth.log.append((key_of(facts), facts.status))
        return facts

    def get_refund(self, *, gateway_refund_id: str) -> GatewayRefund:
        return self._say(self.truth.refunds[gateway_refund_id])

    def list_refunds(self, *, gateway_payment_id: str) -> list[GatewayRefund]:
        return self.truth.of_payment(gateway_payment_id)

    def get_dispute(self, *, gateway_dispute_id: str) -> GatewayDispute:
        return self.truth.disputes[gateway_dispute_id]

    def get_settlement(self, *, gateway_settlement_id: str) -> GatewaySettlement:
        return self.truth.settlements[gateway_settlement_id]


def key_of(facts: GatewayRefund) -> str:
    """Return our id of a refund, or the gateway's of one that was made on its dashboard."""
    return facts.our_refund or facts.id


def captured(facts: GatewayPayment) -> GatewayPayment:
    """Return a payment as captured, with the fee that the gateway then takes."""
    return replace(facts, status="captured", fee_amount=facts.amount // 50, fee_tax_amount=facts.amount // 327)


def settlement(truth: Truth, *, amount: int, utr: str, at: datetime) -> GatewaySettlement:
    """Add a transfer to our bank."""
    facts = GatewaySettlement(
        gateway="razorpay", id=truth.new_id("setl"), amount=amount, status="processed", utr=utr, created_at=at
    )
    truth.settlements[facts.id] = facts
    return facts
