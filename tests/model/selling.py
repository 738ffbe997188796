"""Buyers order, pay, cancel and let the time to pay pass; the gateway reports in any order, twice and late."""

import json
from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import precondition

from apps.core.events import SYSTEM
from apps.orders import services as orders
from apps.orders.models import Order as OrderRow
from apps.payments.facts import GatewayPayment
from apps.payments.models import Payment
from apps.payments.services import attempts, order_cancellation, payments, polling, webhooks
from apps.payments.states import Source
from tests.factories.orders import actor_for
from tests.model.driver import APPROVAL_THRESHOLD
from tests.model.gateway import captured
from tests.model.stage import DAY, PICK, Skipped, Stage, Trouble, step
from tests.support.webhooks import sign


class Selling(Stage):
    """The rules about orders and payments."""

    @step(units=st.lists(st.integers(0, 2), min_size=3, max_size=3), at_home=st.booleans())
    @precondition(lambda self: len(self.rows) < 4)
    def place(self, trouble: Trouble, units: list[int], *, at_home: bool) -> None:
        wanted = {sku: count for sku, count in zip(self.variants, units, strict=True) if count}
        if not wanted:
            raise Skipped
        name = f"order {len(self.rows) + 1}"
        lines = [orders.OrderLineInput(self.variants[sku].pk, count) for sku, count in wanted.items()]

        def place_and_start() -> str:
            row = orders.place_order(
                customer_id=self.buyer.pk, lines=lines, shipping_address_id=self.addresses[at_home].pk,
                actor=actor_for(self.buyer), now=self.driver.now,
            )  # fmt: skip
            payment = payments.start_payment(
                order_id=row.pk, customer_id=self.buyer.pk, actor=actor_for(self.buyer), now=self.driver.now
            )
            return f"{row.pk} {payment.pk}"

        made: list[str] = []
        order = self.both(
            lambda: made.append(self.driver.do_once(place_and_start, trouble.kill, repeat=trouble.is_repeated)),
            lambda: self.model.place(name, wanted, intra_state=at_home),
        )
        if order is None:
            return
        order_id, payment_id = made[0].split()
        self.rows[name] = OrderRow.objects.get(pk=order_id)
        assert self.rows[name].total_amount == order.total, "another total than the model's"
        self.finish()
        payment = Payment.objects.get(pk=payment_id)
        self.gateway_orders[name] = str(payment.gateway_order_id)
        self.owner[str(payment.gateway_order_id)] = name

    @step(index=PICK, by_buyer=st.booleans())
    @precondition(lambda self: self.rows)
    def cancel(self, trouble: Trouble, index: int, *, by_buyer: bool) -> None:
        name = self.pick_order(index)
        row, actor = self.rows[name], actor_for(self.buyer) if by_buyer else SYSTEM

        def cancel_all() -> str:
            live = Payment.objects.filter(order=row, status__in=("requires_payment", "processing", "requires_capture"))
            if self.model.orders[name].status == "pending_payment":
                for payment in live:
                    payments.cancel_payment(payment_id=payment.pk, customer_id=None, actor=actor, now=self.driver.now)
            order_cancellation.cancel_order(order_id=row.pk, actor=actor, reason="", now=self.driver.now)
            return "cancelled"

        self.both(
            lambda: self.driver.do_once(cancel_all, trouble.kill, repeat=trouble.is_repeated),
            lambda: self.model.cancel(name, waits_above=APPROVAL_THRESHOLD if by_buyer else None),
        )
        self.finish(trouble)

    @step()
    @precondition(lambda self: self.days < 2)
    def a_day_passes(self, trouble: Trouble) -> None:
        """The poller asks for each payment, and then orders without money under way expire."""
        self.days += 1
        self.pass_a_day(trouble)

    def pass_a_day(self, trouble: Trouble) -> None:
        self.finish()
        self.driver.wait(DAY)
        self.driver.do(lambda: polling.poll_open_payments(now=self.driver.now), trouble.kill)
        self.read_gateway_log()
        self.finish()
        self.driver.do(lambda: orders.expire_orders(now=self.driver.now), trouble.work_kill)
        for name in self.model.orders:
            if self.model.orders[name].status == "pending_payment":
                self.model.expire(name)
        self.finish()

    @step(index=PICK, status=st.sampled_from(["captured", "captured", "authorized", "failed"]))
    @precondition(lambda self: self.rows)
    def pay(self, trouble: Trouble, index: int, status: str) -> None:
        """The buyer pays at the gateway, which alone knows of it for now."""
        name = self.pick_order(index)
        if len(self.truth.of_order(self.gateway_orders[name])) > 2:
            raise Skipped
        facts = GatewayPayment(
            gateway="razorpay", id=self.truth.new_id("pay"), order_id=self.gateway_orders[name], status=status,
            amount=self.model.orders[name].total, currency="INR", method="upi",
        )  # fmt: skip
        self.become(captured(facts) if status == "captured" else facts)

    @step(index=PICK, status=st.sampled_from(["captured", "authorized"]))
    @precondition(lambda self: any(one.status in {"failed", "authorized"} for one in self.truth.payments.values()))
    def bank_answers_late(self, trouble: Trouble, index: int, status: str) -> None:
        open_ones = [one for one in self.truth.payments.values() if one.status in {"failed", "authorized"}]
        facts = self.pick(open_ones, index)
        self.become(captured(facts) if status == "captured" else replace(facts, status=status))

    def become(self, facts: GatewayPayment) -> None:
        self.truth.payments[facts.id] = facts
        self.said.append(facts)

    @step(index=st.integers(0, 30), by_webhook=st.booleans())
    @precondition(lambda self: self.said)
    def gateway_reports(self, trouble: Trouble, index: int, *, by_webhook: bool) -> None:
        """Anything that the gateway ever said arrives: late, twice, or before what came first."""
        facts = self.said[-1 - index % len(self.said)]
        if by_webhook:
            raw = webhook_of(facts)
            self.driver.do(
                lambda: webhooks.receive_webhook(raw=raw, signature=sign(raw), event_id="", now=self.driver.now),
                trouble.kill,
            )
            self.arriving.append(facts)
        else:
            self.driver.do(
                lambda: attempts.apply_gateway_payment(
                    facts=facts, source=Source.POLL, actor=SYSTEM, now=self.driver.now
                ),
                trouble.kill,
            )
            self.tell_model(facts)
        self.finish(trouble)


def webhook_of(facts: GatewayPayment) -> bytes:
    """Return the webhook of a fact as the gateway's account sends it."""
    entity = {
        "id": facts.id, "entity": "payment", "amount": facts.amount, "currency": facts.currency, "status": facts.status,
        "order_id": facts.order_id, "method": "upi", "notes": [], "fee": facts.fee_amount, "tax": facts.fee_tax_amount,
    }  # fmt: skip
    payload = {"payment": {"entity": entity}}
    return json.dumps({"entity": "event", "event": f"payment.{facts.status}", "payload": payload}).encode()
