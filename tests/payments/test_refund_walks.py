"""
Random walks of one paid order: staff and the gateway do to its refunds what they can, in any order, and the audit looks each time.

The gateway's reports are late, repeated and out of order. What a service refuses is no step; any other error fails.
"""

import os
import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction

from apps.core import audit, clock
from apps.core.errors import BahiError
from apps.core.events import SYSTEM
from apps.fulfilment import services as fulfilment
from apps.fulfilment.models import Shipment
from apps.invoicing.services import issue_credit_notes, issue_invoices
from apps.ledger.models import ReconciliationException
from apps.payments.facts import GatewayError
from apps.payments.models import Dispute, PaymentAttempt, Refund
from apps.payments.services.order_cancellation import cancel_order
from apps.payments.services.refunds import approvals, bank_transfers, gateway_updates, requests
from apps.payments.services.refunds.amounts import RefundLineInput
from tests.factories.catalog import make_variant
from tests.factories.fulfilment import make_packed_shipment
from tests.factories.orders import make_order
from tests.factories.payments import make_dispute, new_gateway_id, pay
from tests.support.colleagues import ASHA, BALA, CHITRA, DEEPA
from tests.support.money_invariants import INVARIANTS as MONEY
from tests.support.refunds import request_refund
from tests.support.webhooks import REFUND_WEBHOOKS, gateway_refund_entity, receive_event

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("colleagues")]

#: How many walks there are: `make nightly` sets more. The walk of a seed is the same each time; those of the seeds 40 and 46
#: found faults when they were new.
WALKS = int(os.environ.get("REFUND_WALKS", "12"))
FIRST_SEED = 40
STEPS = 22
#: It is about workers, which do not run here.
_NOT_ASKED = {"INV-42"}


@dataclass
class AtGateway:
    """A refund as it is at the gateway: made by our call, or by somebody on its dashboard."""

    id: str
    refund_id: UUID | None
    amount: int
    status: str


class Walk:
    """One order of ₹2,000.00, its refunds at the gateway, and what was done so far."""

    def __init__(self, order: Any, seed: int) -> None:
        self.order, self.choices = order, random.Random(seed)
        self.attempt = PaymentAttempt.objects.get()
        self.lines = {line.position: line.pk for line in order.lines.all()}
        self.at_gateway: list[AtGateway] = []
        self.webhooks = 0

    def step(self) -> str:
        """Do one thing, and return what was done; empty if it could not be done now."""
        of_order = [self.request, self.request, self.pack, self.dispatch, self.cancel_order, self.dispute, self.decide]
        of_gateway = [
            self.make,
            self.make,
            self.make,
            self.advance,
            self.advance,
            self.advance,
            self.repeat,
            self.dashboard,
        ]
        of_staff = ["approve", "reject", "cancel", "retry", "hold", "confirm", "refuse", self.follow_up]
        chosen = self.choices.choice([*of_order, *of_gateway, *of_staff])
        try:
            with transaction.atomic():
                return self.decide_about_refund(chosen) if isinstance(chosen, str) else chosen()
        except BahiError:
            return ""

    # Staff and the buyer

    def request(self) -> str:
        first, second = self.lines[1], self.lines[2]
        wanted: dict[str, Any] = self.choices.choice([
            {},
            {},
            {"amount": self.choices.choice([10_000, 50_000, 120_000])},
            {"lines": [RefundLineInput(first, self.choices.choice([1, 2]))]},
            {"lines": [RefundLineInput(first, 2), RefundLineInput(second, 1)]},
            {"lines": [RefundLineInput(second, 1)]},
        ])  # fmt: skip
        refund = request_refund(self.order, actor=self.choices.choice([ASHA, DEEPA, DEEPA]), **wanted)
        return f"{refund.number} of {refund.amount} is requested: {refund.status}"

    def decide_about_refund(self, what: str) -> str:
        refunds = list(Refund.objects.order_by("sequence"))
        if not refunds:
            return ""
        refund, now = self.choices.choice(refunds), clock.now()
        approver, requester = self.choices.choice([BALA, CHITRA]), self.choices.choice([ASHA, DEEPA])
        if what == "approve":
            approvals.approve_refund(refund_id=refund.pk, actor=approver, now=now)
        elif what == "reject":
            approvals.reject_refund(refund_id=refund.pk, actor=BALA, reason="no", now=now)
        elif what == "cancel":
            approvals.cancel_refund(refund_id=refund.pk, actor=BALA, now=now)
        elif what == "retry":
            requests.retry_refund(refund_id=refund.pk, actor=requester, now=now)
        elif what == "hold":
            bank_transfers.hold_refund_for_transfer(refund_id=refund.pk, actor=CHITRA, now=now)
        elif what == "confirm":
            reference = f"N{self.webhooks}{refund.number}"
            bank_transfers.confirm_refund_transfer(refund_id=refund.pk, reference=reference, actor=CHITRA, now=now)
        elif refund.status != "pending" or refund.gateway_refund_id:
            return ""
        else:
            gateway_updates.mark_refund_failed(refund=refund, error=GatewayError(code="refused"), now=now)
        return f"{what} {refund.number}"

    def pack(self) -> str:
        return str(make_packed_shipment(self.order, self.choices.choice([None, {1: 1}, {2: 1}])))

    def dispatch(self) -> str:
        shipment = Shipment.objects.filter(status="packed").first()
        if shipment is None:
            return ""
        why = self.choices.choice(["", "the buyer keeps it"])
        fulfilment.dispatch_shipment(shipment_id=shipment.pk, refund_override_reason=why, actor=SYSTEM, now=clock.now())
        if self.choices.random() < 0.6:
            fulfilment.deliver_shipment(shipment_id=shipment.pk, actor=SYSTEM, now=clock.now())
        return f"{shipment} left"

    def cancel_order(self) -> str:
        if self.choices.random() < 0.3:
            return ""
        cancel_order(order_id=self.order.pk, actor=SYSTEM, reason="not wanted", now=clock.now())
        return "the order is cancelled"

    def follow_up(self) -> str:
        for refund in Refund.objects.filter(status="processed"):
            issue_credit_notes(refund_id=refund.pk, actor=SYSTEM, now=clock.now())
        fulfilment.complete_order_if_done(order_id=self.order.pk, actor=SYSTEM, now=clock.now())
        return "the workers follow up"

    # The gateway

    def left(self) -> int:
        """Return what the gateway has left of the payment (paise): it never makes a refund of more."""
        deducted = sum(Dispute.objects.values_list("amount_deducted", flat=True))
        return 200_000 - deducted - sum(one.amount for one in self.at_gateway if one.status != "failed")

    def make(self) -> str:
        made = {one.refund_id for one in self.at_gateway}
        ours = Refund.objects.exclude(requested_by__startswith="gateway:").order_by("sequence")
        refunds = [one for one in ours if one.amount <= self.left() and one.pk not in made]
        if not refunds:
            return ""
        refund = self.choices.choice(refunds)
        return self._make(refund.pk, refund.amount)

    def dashboard(self) -> str:
        amount = self.choices.choice([30_000, 100_000])
        return self._make(None, amount) if amount <= self.left() else ""

    def _make(self, refund_id: UUID | None, amount: int) -> str:
        one = AtGateway(new_gateway_id("rfnd"), refund_id, amount, self.choices.choice(["pending", "processed"]))
        self.at_gateway.append(one)
        return self.report(one, one.status)

    def advance(self) -> str:
        if not self.at_gateway:
            return ""
        one = self.choices.choice(self.at_gateway)
        if one.status == "pending":
            one.status = self.choices.choice(["processed", "processed", "failed"])
        return self.report(one, one.status)

    def repeat(self) -> str:
        if not self.at_gateway:
            return ""
        one = self.choices.choice(self.at_gateway)
        return self.report(one, self.choices.choice(["pending", one.status]))

    def report(self, one: AtGateway, status: str) -> str:
        """Process a webhook, which names our refund if the gateway made one of ours."""
        self.webhooks += 1
        notes = {"refund": Refund.objects.get(pk=one.refund_id).public_id} if one.refund_id else []
        entity = gateway_refund_entity(self.attempt, id=one.id, amount=one.amount, status=status, notes=notes)
        webhook = receive_event(REFUND_WEBHOOKS[status], refund={**entity, "created_at": 1_700_000_000 + self.webhooks})
        assert webhook.last_error == ""
        return f"{one.id} of {one.amount} is {status}"

    def dispute(self) -> str:
        if Dispute.objects.exists():
            return ""
        amount = self.choices.choice([200_000, 60_000])
        is_deducted = self.choices.random() < 0.5 and self.left() >= amount
        make_dispute(self.attempt, amount=amount, amount_deducted=amount if is_deducted else 0)
        return f"{amount} is disputed"

    def decide(self) -> str:
        dispute = Dispute.objects.filter(status="open").first()
        if dispute is None:
            return ""
        outcome = self.choices.choice(["won", "lost"])
        is_deducted = outcome == "lost" and self.left() + dispute.amount_deducted >= dispute.amount
        make_dispute(
            self.attempt, id=dispute.gateway_dispute_id, amount=dispute.amount, status=outcome,
            amount_deducted=dispute.amount if is_deducted else 0,
        )  # fmt: skip
        return f"the dispute is {outcome}"


def violated(invariants: Iterable[audit.Invariant]) -> list[Any]:
    asked = [one.id for one in invariants if one.id not in _NOT_ASKED]
    report = audit.run(now=clock.now(), only=asked)
    return [(result.invariant.id, result.rows, result.error) for result in report.failing]


@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + WALKS))
def test_books_and_gateway_agree_wherever_a_walk_leads(seed: int, shop: Any, owner: Any, settings: Any) -> None:
    settings.INVOICE_AT = ("payment", "dispatch")[seed % 2]
    settings.REFUND_APPROVAL_THRESHOLD_PAISE = 10**9
    variants = [(make_variant(price=50_000, stock=20), 2), (make_variant(price=100_000, stock=20), 1)]
    order = make_order(owner, variants)
    pay(order)
    if settings.INVOICE_AT == "payment":
        issue_invoices(order_id=order.pk, actor=SYSTEM, now=clock.now())
    walk, done = Walk(order, seed), []

    for _ in range(STEPS):
        done.append(walk.step())
        found = violated(MONEY)
        if found:
            pytest.fail("\n".join([str(found), *filter(None, done)]))

    assert violated(audit.list_invariants()) == []
    for one in walk.at_gateway:
        if one.status == "processed":
            is_booked = Refund.objects.filter(gateway_refund_id=one.id, status="processed", amount=one.amount).exists()
            assert is_booked or ReconciliationException.objects.filter(entity_id=one.id).exists(), (one, done)
