"""Disputes of payments in the payer's own currency, and refunds of parts that are less than one unit of it."""

import json
from dataclasses import replace
from typing import Any

import pytest

from apps.core import audit, clock
from apps.core.events import SYSTEM
from apps.core.models import Event
from apps.ledger import selectors as ledger
from apps.ledger.models import LedgerEntry, ReconciliationException
from apps.payments.gateways.interface import EvidenceFile
from apps.payments.gateways.razorpay.disputes import dispute_from
from apps.payments.models import Dispute, PaymentAttempt, Refund, Webhook
from apps.payments.selectors import refund_sums
from apps.payments.services import order_cancellation, webhooks
from apps.payments.services.disputes import responses
from apps.payments.services.payer_currency import requested_from_gateway
from apps.payments.services.refunds import amounts, requests
from tests.factories.payments import apply_payment, make_gateway_payment, make_payment
from tests.support.money_invariants import INVARIANTS
from tests.support.webhooks import receive

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _everything_holds(db: None) -> Any:
    yield
    found = audit.run(now=clock.now(), only=[one.id for one in INVARIANTS if one.id != "INV-42"])
    assert [(result.invariant.id, result.rows, result.error) for result in found.failing] == []


@pytest.fixture
def attempt(order: Any) -> PaymentAttempt:
    """A payment of USD 12.00, which are ₹499.00 here."""
    attempt = apply_payment(make_gateway_payment(make_payment(order), payer_amount=1_200, payer_currency="USD"))
    order.refresh_from_db()
    assert attempt.amount == 49_900
    return attempt


def dispute_entity(attempt: PaymentAttempt, **fields: Any) -> dict[str, Any]:
    return {
        "id": "disp_00000000000001", "entity": "dispute", "payment_id": attempt.gateway_payment_id, "amount": 1_200,
        "amount_deducted": 0, "currency": "USD", "status": "open", "phase": "chargeback", "reason_code": "fraud",
        "respond_by": 1_800_000_000, **fields,
    }  # fmt: skip


def report(attempt: PaymentAttempt, event: str = "created", **fields: Any) -> Webhook:
    """Have a signed webhook about a dispute arrive and a worker process it."""
    payload = {"dispute": {"entity": dispute_entity(attempt, **fields)}}
    webhook = receive(json.dumps({"entity": "event", "event": f"payment.dispute.{event}", "payload": payload}).encode())
    webhooks.process_webhook(webhook_id=webhook.pk, now=clock.now())
    webhook.refresh_from_db()
    return webhook


class TestDisputeInPayersCurrency:
    @pytest.mark.parametrize(
        ("fields", "amount"),
        [
            ({}, 49_900),
            ({"amount": 600}, 24_950),
            ({"amount": 1}, 42),
            ({"amount": 600, "base_amount": 25_100, "base_currency": "INR"}, 25_100),
        ],
    )
    def test_is_booked_in_rupees(self, attempt: PaymentAttempt, fields: dict[str, Any], amount: int) -> None:
        charged = fields.get("amount", 1_200)

        report(attempt, **fields)
        report(attempt, "lost", **{**fields, "status": "lost", "amount_deducted": charged})

        dispute = Dispute.objects.get()
        assert (dispute.status, dispute.currency) == ("lost", "INR")
        assert (dispute.amount, dispute.amount_deducted) == (amount, amount)
        assert (dispute.payer_amount, dispute.payer_currency) == (charged, "USD")
        assert ledger.balance_of("dispute_losses") == amount
        assert ReconciliationException.objects.count() == 0

    def test_keeps_its_amount_if_the_gateway_no_longer_gives_it_in_rupees(self, attempt: PaymentAttempt) -> None:
        report(attempt, amount=600, base_amount=25_100, base_currency="INR")

        report(attempt, "lost", amount=600, amount_deducted=300, status="lost")

        dispute = Dispute.objects.get()
        assert (dispute.amount, dispute.amount_deducted) == (25_100, 12_550)
        assert ReconciliationException.objects.count() == 0

    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            ({"currency": "EUR"}, "currency_mismatch"),
            ({"currency": "EUR", "base_amount": 49_900, "base_currency": "INR"}, "currency_mismatch"),
            ({"amount": 1_201}, "dispute_exceeds_payment"),
            ({"base_amount": 49_901, "base_currency": "INR"}, "dispute_exceeds_payment"),
            ({"amount": 600, "amount_deducted": 601}, "contradictory_facts"),
        ],
    )
    def test_that_cannot_be_is_an_exception_and_nothing_else(
        self, attempt: PaymentAttempt, fields: dict[str, Any], reason: str
    ) -> None:
        entries = LedgerEntry.objects.count()

        webhook = report(attempt, **fields)

        assert (ReconciliationException.objects.get().reason, webhook.outcome) == (reason, "ignored")
        assert (Dispute.objects.count(), LedgerEntry.objects.count()) == (0, entries)

    def test_is_contested_in_the_payers_currency(
        self, attempt: PaymentAttempt, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        report(attempt, amount=700)
        dispute = Dispute.objects.get()
        responses.contest_dispute(dispute_id=dispute.pk, summary="It was sent.", actor=SYSTEM, now=clock.now())
        asked: list[int] = []

        class Gateway:
            def contest_dispute(self, *, amount: int, **_: Any) -> Any:
                asked.append(amount)
                return replace(dispute_from(dispute_entity(attempt, amount=700)), status="under_review")

        monkeypatch.setattr("apps.payments.services.disputes.responses.get_monitored_gateway", lambda _: Gateway())
        proof = EvidenceFile(kind="billing", name="INV.pdf", content=b"%PDF-1.7")
        responses.submit_dispute_response(dispute_id=dispute.pk, evidence_files=[proof], now=clock.now())

        dispute.refresh_from_db()
        assert (asked, dispute.status, dispute.amount) == ([700], "under_review", 29_109)


class TestRefundOfLessThanAUnit:
    @pytest.fixture
    def attempt(self, order: Any) -> PaymentAttempt:
        """A payment of GBP 4.00, which are ₹499.00 here: a penny is ₹1.2475."""
        attempt = apply_payment(make_gateway_payment(make_payment(order), payer_amount=400, payer_currency="GBP"))
        order.refresh_from_db()
        assert attempt.amount == 49_900
        return attempt

    def request(self, order: Any, amount: int) -> Refund:
        (refund,) = requests.request_refund_by_amount(
            order_id=order.pk, amount=amount, reason="other", actor=SYSTEM, now=clock.now()
        )
        return refund

    def test_is_refused_with_the_least_amount(self, order: Any, attempt: PaymentAttempt) -> None:
        before = (Event.objects.count(), LedgerEntry.objects.count())

        with pytest.raises(amounts.RefundTooSmall) as refused:
            self.request(order, 124)

        assert (
            str(refused.value)
            == "A refund of this payment must be at least ₹1.25, because its payer was charged in GBP."
        )
        assert (Refund.objects.count(), Event.objects.count(), LedgerEntry.objects.count()) == (0, *before)

    def test_of_payments_in_two_currencies_the_larger_unit_decides(self, order: Any, attempt: PaymentAttempt) -> None:
        in_rupees = PaymentAttempt(amount=49_900)

        least = [amounts.minimum_refund_amount(these, 200) for these in ([attempt, in_rupees], [in_rupees], [])]
        assert least == [125, 100, 100]
        assert amounts.minimum_refund_amount([in_rupees], 99) == 100

    def test_of_one_unit_is_requested_as_one(self, order: Any, attempt: PaymentAttempt) -> None:
        assert requested_from_gateway(self.request(order, 125), attempt) == (1, "GBP")

    def test_that_would_be_left_is_refused(self, order: Any, attempt: PaymentAttempt) -> None:
        with pytest.raises(amounts.RefundLeavesRemainder) as refused:
            self.request(order, 49_780)

        assert str(refused.value) == (
            f"A refund of ₹497.80 would leave less than ₹1.25 of a payment of order {order.number}, which no gateway"
            " can refund. Refund at most ₹497.75, or all ₹499.00."
        )
        assert Refund.objects.count() == 0

    def test_does_not_keep_an_order_from_being_cancelled(self, order: Any, attempt: PaymentAttempt) -> None:
        report(attempt, "lost", amount=399, currency="GBP", amount_deducted=399, status="lost")
        assert refund_sums.order_refundable_amount(order.pk) == 124

        cancelled = order_cancellation.cancel_order(order_id=order.pk, actor=SYSTEM, reason="", now=clock.now())

        assert (cancelled.status, Refund.objects.count()) == ("cancelled", 0)
