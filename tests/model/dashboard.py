"""Refunds that somebody makes on the gateway's dashboard, which the product did not ask for."""

import json
from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import precondition

from apps.core.events import SYSTEM
from apps.payments.facts import GatewayRefund
from apps.payments.services import webhooks
from apps.payments.services.refunds import gateway_updates
from tests.model.gateway import ModelGateway
from tests.model.order import LEAST_REFUND, Refund
from tests.model.refunding import WITH_MONEY, Refunding
from tests.model.stage import CALM, PICK, Skipped, Trouble, step
from tests.support.webhooks import sign


class Dashboard(Refunding):
    """The rules about refunds, with the one about the gateway's dashboard."""

    @step(
        index=PICK,
        how=st.sampled_from(["half", "all", "what others wait for", "most of what others wait for"]),
        status=st.sampled_from(["pending", "processed"]),
        by_webhook=st.booleans(),
    )
    @precondition(lambda self: self.has_captured() and self.dashboard_refunds < 2)
    def refund_is_made_on_the_dashboard(
        self, trouble: Trouble, index: int, how: str, status: str, *, by_webhook: bool
    ) -> None:
        """
        Somebody refunds on the gateway's dashboard, and the gateway reports it by webhook or to a poll.

        What refunds of ours wait for is taken only where no dispute keeps a part, and before a worker sends them: later
        the gateway refuses them. Such a refund is requested here, as it would be sent before another step.
        """
        taken_ones = how.endswith("what others wait for")
        if by_webhook:
            self.finish()
        name, gateway_id = self.pick(
            [
                (name, gateway_id)
                for name, order in self.model.orders.items()
                for gateway_id, attempt in order.attempts.items()
                if attempt.status == "captured" and not (attempt.kept and taken_ones)
            ],
            index,
        )
        order = self.model.orders[name]
        if taken_ones and not by_webhook and order.status in WITH_MONEY:
            at = [one for one in self.model.orders if self.model.orders[one].status in WITH_MONEY].index(name)
            self.request_refund(trouble=replace(CALM, is_late=True), index=at, how="half", who="finance")
        attempt = order.attempts[gateway_id]
        amount = order.refundable(attempt)
        if how == "half":
            amount //= 2
        if taken_ones and not by_webhook:
            # Refunds that wait may have been promised more than is left.
            amount = order.unpromised(attempt)
            amount += sum(one.amount for one in order.refunds if one.attempt is attempt and self.is_unsent(one))
        if how.startswith("most"):
            amount -= 2_000
        if amount < LEAST_REFUND:
            raise Skipped
        facts = ModelGateway().make_refund(gateway_id, amount, receipt="", ours="")
        facts = self.truth.refunds[facts.id] = replace(facts, status=status)
        self.dashboard_refunds += 1
        self._report_refund(facts, trouble, by_webhook=by_webhook)
        made = self.model.refund_at_gateway(name, gateway_id, amount, facts.id)
        self.apply_to_model(made, status)
        self.finish(replace(trouble, is_late=False))

    @staticmethod
    def is_unsent(refund: Refund) -> bool:
        return refund.status == "requires_approval" or (refund.status == "pending" and not refund.sent)

    def _report_refund(self, facts: GatewayRefund, trouble: Trouble, *, by_webhook: bool) -> None:
        def report() -> None:
            if by_webhook:
                raw = refund_webhook_of(facts)
                webhooks.receive_webhook(raw=raw, signature=sign(raw), event_id="", now=self.driver.now)
            else:
                gateway_updates.apply_gateway_refund(facts=facts, actor=SYSTEM, now=self.driver.now)

        for _ in range(2 if trouble.is_repeated else 1):
            self.driver.do(report, trouble.kill)


def refund_webhook_of(facts: GatewayRefund) -> bytes:
    """Return the webhook of a refund as the gateway's account sends it."""
    event = {"pending": "refund.created"}.get(facts.status, f"refund.{facts.status}")
    entity = {
        "id": facts.id, "entity": "refund", "payment_id": facts.gateway_payment_id, "amount": facts.amount,
        "currency": facts.currency, "status": facts.status, "notes": [],
    }  # fmt: skip
    return json.dumps({"entity": "event", "event": event, "payload": {"refund": {"entity": entity}}}).encode()
