"""What a gateway reports of refunds and disputes: booked only if it can be so; else an exception for staff, and nothing else."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import DataError

from apps.core import audit, clock
from apps.core.events import SYSTEM
from apps.core.models import Event
from apps.ledger import selectors as ledger
from apps.ledger.models import LedgerEntry, ReconciliationException
from apps.orders.models import Order
from apps.payments.facts import GatewayRefund
from apps.payments.gateways.razorpay.entities import envelope_from, refund_from
from apps.payments.models import Dispute, PaymentAttempt, Refund, Webhook
from apps.payments.selectors import refund_sums
from apps.payments.services import webhooks
from apps.payments.services.disputes import gateway_updates as dispute_updates
from apps.payments.services.refunds import amounts as refund_amounts
from apps.payments.services.refunds import bank_transfers, requests, submission
from apps.payments.services.refunds import gateway_updates as refund_updates
from apps.payments.states import Source
from tests.factories.orders import make_order
from tests.factories.payments import (
    apply_payment,
    make_gateway_dispute,
    make_gateway_payment,
    make_payment,
    new_gateway_id,
    pay,
)
from tests.support.colleagues import BALA, CHITRA
from tests.support.money_invariants import INVARIANTS
from tests.support.webhooks import gateway_refund_entity, receive, receive_event

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("colleagues")]

REFUND, DISPUTE = "rfnd_NQxlPq2WmR8sTz", "disp_NQxlPq2WmR8sTz"


@pytest.fixture
def attempt(order: Any) -> PaymentAttempt:
    return pay(order)


def violated() -> list[str]:
    report = audit.run(now=clock.now(), only=[one.id for one in INVARIANTS if one.id != "INV-42"])
    return [result.invariant.id for result in report.failing]


def books() -> tuple[Any, ...]:
    """Return all that a fact of the gateway could change, but the webhook and the exception themselves."""
    return (
        list(Refund.objects.order_by("pk").values_list("pk", "version", "status", "amount", "gateway_refund_id")),
        list(Dispute.objects.order_by("pk").values_list("pk", "version", "status", "amount_deducted")),
        list(LedgerEntry.objects.order_by("pk").values_list("account_id", "amount")),
        list(Order.objects.order_by("pk").values_list("version", "status", "paid_amount", "refunded_amount")),
        Event.objects.exclude(type__startswith="payments.webhook").exclude(type="ledger.exception.opened").count(),
    )


def refund_entity(attempt: PaymentAttempt, **fields: Any) -> dict[str, Any]:
    return gateway_refund_entity(attempt, **{"id": REFUND, "amount": 5_000, **fields})


def dispute_entity(attempt: PaymentAttempt, **fields: Any) -> dict[str, Any]:
    return {
        "id": DISPUTE, "entity": "dispute", "payment_id": attempt.gateway_payment_id, "amount": attempt.amount,
        "amount_deducted": 0, "currency": "INR", "status": "open", "phase": "chargeback", "reason_code": "fraud",
        "respond_by": 1_800_000_000, **fields,
    }  # fmt: skip


class TestRefundFacts:
    @pytest.mark.parametrize(
        ("fields", "reason", "actual"),
        [
            ({"amount": 10**9}, "refund_exceeds_payment", (10**9, "")),
            ({"amount": 10**15}, "refund_exceeds_payment", (10**15, "")),
            ({"amount": 777, "currency": "USD"}, "currency_mismatch", (777, "USD")),
            ({"currency": "INRINRINR"}, "currency_mismatch", (5_000, "INRINRINR")),
            ({"currency": None}, "currency_mismatch", (5_000, "none")),
            ({"currency": ""}, "currency_mismatch", (5_000, "none")),
            ({"amount": 0}, "contradictory_facts", (0, "")),
            ({"status": "failed"}, "contradictory_facts", (5_000, "")),
            ({"amount": -5_000}, "unreadable_facts", (None, "")),
            ({"amount": 50.5}, "unreadable_facts", (None, "")),
            ({"amount": "5000"}, "unreadable_facts", (None, "")),
            ({"amount": True}, "unreadable_facts", (None, "")),
            ({"amount": None}, "unreadable_facts", (None, "")),
            ({"amount": 10**30}, "unreadable_facts", (None, "")),
            ({"status": "lost"}, "unreadable_facts", (None, "")),
        ],
    )
    def test_refund_that_cannot_be_is_an_exception_and_nothing_else(
        self, attempt: PaymentAttempt, fields: dict[str, Any], reason: str, actual: tuple[Any, str]
    ) -> None:
        before = books()

        webhook = receive_event("refund.processed", refund=refund_entity(attempt, **fields))

        exception = ReconciliationException.objects.get()
        assert (exception.reason, exception.entity_id, exception.attempt_id) == (reason, REFUND, attempt.pk)
        assert (exception.actual_amount, exception.actual_currency) == actual
        assert (exception.webhook_id, exception.held_amount) == (webhook.pk, 0)
        assert exception.description.endswith(".")
        assert (webhook.outcome, bool(webhook.outcome_reason), webhook.attempts) == ("ignored", True, 0)
        assert books() == before
        assert violated() == []

    def test_largest_refund_that_is_left_is_booked(self, attempt: PaymentAttempt) -> None:
        webhook = receive_event("refund.processed", refund=refund_entity(attempt, amount=attempt.amount))

        assert (webhook.outcome, Refund.objects.get().amount) == ("processed", attempt.amount)
        assert not ReconciliationException.objects.exists()
        assert violated() == []

    def test_one_paisa_more_than_is_left_is_an_exception(self, attempt: PaymentAttempt) -> None:
        receive_event("refund.processed", refund=refund_entity(attempt, id="rfnd_00000000000001", amount=5_000))
        before = books()

        receive_event("refund.processed", refund=refund_entity(attempt, amount=attempt.amount - 4_999))

        exception = ReconciliationException.objects.get()
        assert (exception.expected_amount, exception.actual_amount) == (attempt.amount - 5_000, attempt.amount - 4_999)
        assert books() == before
        assert violated() == []

    def test_sentence_for_staff_has_rupees(self, attempt: PaymentAttempt) -> None:
        receive_event("refund.processed", refund=refund_entity(attempt, amount=10**9))

        description = ReconciliationException.objects.get().description
        assert description.startswith(f"The gateway reports refund {REFUND} of ₹1,00,00,000.00; only ₹")

    def test_webhook_and_poll_of_one_fact_open_one_exception(self, attempt: PaymentAttempt) -> None:
        entity = refund_entity(attempt, amount=10**9)
        receive_event("refund.created", refund={**entity, "status": "pending"})
        receive_event("refund.processed", refund=entity)

        with pytest.raises(refund_updates.RefundFactsConflict):
            refund_updates.apply_gateway_refund(facts=refund_from(entity), actor=SYSTEM, now=clock.now())

        assert ReconciliationException.objects.count() == 1

    def test_refund_of_another_payment_than_the_enclosed_one_contradicts_itself(
        self, attempt: PaymentAttempt, order: Any
    ) -> None:
        before = books()
        payment = {
            "id": "pay_00000000000099", "amount": attempt.amount, "currency": "INR", "status": "captured",
            "order_id": attempt.payment.gateway_order_id, "captured": True, "notes": [],
        }  # fmt: skip

        webhook = receive_event("refund.processed", refund=refund_entity(attempt), payment=payment)

        assert ReconciliationException.objects.get().reason == "contradictory_facts"
        assert webhook.outcome == "ignored"
        assert books() == before

    def test_refund_above_what_a_lost_dispute_left_is_an_exception(self, attempt: PaymentAttempt) -> None:
        receive_event(
            "payment.dispute.lost", dispute=dispute_entity(attempt, status="lost", amount_deducted=attempt.amount)
        )
        before = books()

        receive_event("refund.processed", refund=refund_entity(attempt))

        assert ReconciliationException.objects.get().reason == "refund_exceeds_payment"
        assert books() == before
        assert violated() == []

    def test_refund_that_fits_later_is_booked_and_its_exception_closed(self, attempt: PaymentAttempt) -> None:
        first = refund_entity(attempt, id="rfnd_00000000000001", amount=attempt.amount, status="pending")
        second = refund_entity(attempt, amount=attempt.amount)
        receive_event("refund.created", refund=first)
        receive_event("refund.created", refund={**second, "status": "pending"})
        receive_event("refund.failed", refund={**first, "status": "failed"})

        webhook = receive_event("refund.processed", refund=second)

        exception = ReconciliationException.objects.get()
        assert (exception.resolution, exception.resolved_by) == ("booked", "gateway:razorpay")
        assert webhook.outcome == "processed"
        assert Refund.objects.get(gateway_refund_id=REFUND).status == "processed"
        assert violated() == []

    @pytest.mark.parametrize(
        ("fields", "reason"), [({"amount": 4_999}, "amount_mismatch"), ({"currency": "USD"}, "currency_mismatch")]
    )
    def test_our_refund_reported_otherwise_stays_as_it_is(
        self, attempt: PaymentAttempt, fields: dict[str, Any], reason: str
    ) -> None:
        refund = request_refund(attempt, 5_000)
        before = books()

        webhook = receive_event(
            "refund.processed", refund=refund_entity(attempt, notes={"refund": refund.public_id}, **fields)
        )

        exception = ReconciliationException.objects.get()
        assert (exception.reason, exception.refund_id, webhook.outcome) == (reason, refund.pk, "ignored")
        assert books() == before
        assert violated() == []

    def test_our_refund_of_another_payment_is_an_exception(
        self, attempt: PaymentAttempt, owner: Any, shop: Any
    ) -> None:
        refund, other = request_refund(attempt, 5_000), pay(make_order(owner))
        before = books()

        receive_event("refund.processed", refund=refund_entity(other, notes={"refund": refund.public_id}))

        assert ReconciliationException.objects.get().reason == "contradictory_facts"
        assert books() == before

    def test_refund_of_no_payment_of_ours_is_ignored_without_an_exception(self, attempt: PaymentAttempt) -> None:
        before = books()

        webhook = receive_event("refund.processed", refund=refund_entity(attempt, payment_id="pay_somebodyelses1"))

        assert (webhook.outcome, webhook.outcome_reason) == ("ignored", "it refunds no captured payment in Bahi")
        assert not ReconciliationException.objects.exists()
        assert books() == before

    def test_refund_that_we_transferred_and_the_gateway_made_too_is_shown(self, attempt: PaymentAttempt) -> None:
        refund = request_refund(attempt, 5_000)
        fails = {"id": REFUND, "amount": 5_000, "notes": {"refund": refund.public_id}}
        receive_event("refund.failed", refund=refund_entity(attempt, **fails, status="failed"))
        bala = BALA
        bank_transfers.confirm_refund_transfer(refund_id=refund.pk, reference="N1234", actor=bala, now=clock.now())
        entries = LedgerEntry.objects.count()

        receive_event("refund.processed", refund=refund_entity(attempt, **fails))

        exception = ReconciliationException.objects.get()
        assert (exception.reason, exception.refund_id, exception.resolved_at) == (
            "refund_exceeds_payment", refund.pk, None,
        )  # fmt: skip
        assert "N1234" in exception.description
        assert LedgerEntry.objects.count() == entries
        assert violated() == []

    def test_transfer_is_not_made_for_money_that_the_gateway_paid_back_meanwhile(self, attempt: PaymentAttempt) -> None:
        refund = request_refund(attempt, attempt.amount)
        fails = {"amount": attempt.amount, "notes": {"refund": refund.public_id}, "status": "failed"}
        receive_event("refund.failed", refund=refund_entity(attempt, **fails))
        bala, cyra = BALA, CHITRA
        bank_transfers.hold_refund_for_transfer(refund_id=refund.pk, actor=bala, now=clock.now())
        receive_event(
            "refund.processed", refund=refund_entity(attempt, id="rfnd_00000000000002", amount=attempt.amount)
        )
        before = books()

        with pytest.raises(refund_amounts.RefundExceedsPayment):
            bank_transfers.confirm_refund_transfer(refund_id=refund.pk, reference="N1", actor=cyra, now=clock.now())

        assert books() == before


def request_refund(attempt: PaymentAttempt, amount: int) -> Refund:
    (refund,) = requests.request_refund_by_amount(
        order_id=attempt.payment.order_id, amount=amount, reason="other", actor=SYSTEM, now=clock.now()
    )
    return refund


class TestRefundInPayersCurrency:
    """Of a payment of USD 12.00, which are ₹499.00 here; Razorpay reports its refunds in USD alone."""

    @pytest.fixture
    def attempt(self, order: Any) -> PaymentAttempt:
        attempt = apply_payment(make_gateway_payment(make_payment(order), payer_amount=1_200, payer_currency="USD"))
        order.refresh_from_db()
        assert attempt.amount == 49_900
        return attempt

    def balances(self) -> tuple[int, ...]:
        return tuple(ledger.balance_of(code) for code in ("refunds_payable", "customer_advances"))

    def report(self, attempt: PaymentAttempt, amount: int, **fields: Any) -> Webhook:
        return receive_event(
            "refund.processed", refund=refund_entity(attempt, amount=amount, **{"currency": "USD", **fields})
        )

    def answer(self, monkeypatch: pytest.MonkeyPatch, refund: Refund, amount: int, currency: str = "USD") -> Refund:
        """Have the gateway answer our own call for a refund."""
        entity = refund_entity(
            refund.attempt, amount=amount, currency=currency, notes={"refund": refund.public_id}, receipt=refund.number
        )
        monkeypatch.setattr("apps.payments.services.refunds.submission._create", lambda *_: refund_from(entity))
        submission.submit_refund(refund_id=refund.pk, now=clock.now())
        refund.refresh_from_db()
        return refund

    @pytest.mark.parametrize(("amount", "charged"), [(49_900, 1_200), (24_950, 600), (10_000, 240), (10_001, 240)])
    def test_answer_to_our_call_is_our_refund(
        self, attempt: PaymentAttempt, monkeypatch: pytest.MonkeyPatch, amount: int, charged: int
    ) -> None:
        refund = self.answer(monkeypatch, request_refund(attempt, amount), charged)

        order = Order.objects.get()
        assert (refund.status, refund.gateway_refund_id, refund.amount) == ("processed", REFUND, amount)
        assert (order.refunded_amount, ledger.balance_of("refunds_payable")) == (amount, 0)
        assert refund_sums.gateway_refundable_amount(attempt) == 49_900 - amount
        assert ReconciliationException.objects.count() == 0
        assert violated() == []

    def test_full_refund_by_webhook_leaves_nothing_in_the_books(self, attempt: PaymentAttempt) -> None:
        refund = request_refund(attempt, 49_900)

        self.report(attempt, 1_200, notes={"refund": refund.public_id}, receipt=refund.number)

        refund.refresh_from_db()
        assert (refund.status, Refund.objects.count()) == ("processed", 1)
        assert self.balances() == (0, 0)
        assert violated() == []

    @pytest.mark.parametrize("charged", [599, 601])
    def test_answer_of_another_amount_than_requested_is_an_exception(
        self, attempt: PaymentAttempt, monkeypatch: pytest.MonkeyPatch, charged: int
    ) -> None:
        refund = request_refund(attempt, 24_950)
        entries = LedgerEntry.objects.count()

        refund = self.answer(monkeypatch, refund, charged)

        exception = ReconciliationException.objects.get()
        assert (refund.status, refund.gateway_refund_id, LedgerEntry.objects.count()) == ("unknown", None, entries)
        assert exception.reason == "amount_mismatch"
        assert f"reports USD {charged / 100:.2f} for refund {REFUND}" in exception.description
        assert "is of USD 6.00." in exception.description

    @pytest.mark.parametrize(("charged", "amount"), [(1_200, 49_900), (600, 24_950), (1, 42), (1_199, 49_859)])
    def test_refund_made_in_the_dashboard_is_booked_in_proportion(
        self, attempt: PaymentAttempt, charged: int, amount: int
    ) -> None:
        for _ in range(2):
            self.report(attempt, charged)

        refund = Refund.objects.get()
        assert (refund.status, refund.amount, refund.currency) == ("processed", amount, "INR")
        assert (Order.objects.get().refunded_amount, ledger.balance_of("refunds_payable")) == (amount, 0)
        assert ReconciliationException.objects.count() == 0
        assert violated() == []

    def test_last_part_is_exactly_what_is_left(self, attempt: PaymentAttempt, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answer(monkeypatch, request_refund(attempt, 10_001), 240)

        entity = refund_entity(attempt, id="rfnd_TheLastPart001", amount=960, currency="USD")
        receive_event("refund.created", refund={**entity, "status": "pending"})
        receive_event("refund.processed", refund=entity)

        assert list(Refund.objects.order_by("sequence").values_list("amount", "status")) == [
            (10_001, "processed"),
            (39_899, "processed"),
        ]
        assert (refund_sums.gateway_refundable_amount(attempt), self.balances()) == (0, (0, 0))
        assert violated() == []

    @pytest.mark.parametrize(
        ("before", "amount", "currency", "reason"),
        [
            (0, 1_201, "USD", "refund_exceeds_payment"),
            (600, 601, "USD", "refund_exceeds_payment"),
            (0, 600, "EUR", "currency_mismatch"),
            (0, 600, "", "currency_mismatch"),
        ],
    )
    def test_refund_that_cannot_be_is_an_exception_and_nothing_else(
        self, attempt: PaymentAttempt, before: int, amount: int, currency: str, reason: str
    ) -> None:
        if before:
            self.report(attempt, before, id="rfnd_TheFirstPart01")
        state = books()

        webhook = self.report(attempt, amount, currency=currency)

        assert (ReconciliationException.objects.get().reason, webhook.outcome) == (reason, "ignored")
        assert books() == state

    def test_refund_in_a_unit_of_less_than_a_paisa_is_booked(self, order: Any) -> None:
        attempt = apply_payment(make_gateway_payment(make_payment(order), payer_amount=6_321_007, payer_currency="IDR"))

        for number, charged in enumerate((1_000_000, 1_000_001, 4_321_006)):
            for _ in range(2):
                self.report(attempt, charged, currency="IDR", id=f"rfnd_OnePart000000{number}")

        amounts = list(Refund.objects.order_by("sequence").values_list("amount", flat=True))
        assert (amounts, sum(amounts)) == ([7_895, 7_895, 34_110], 49_900)
        assert ReconciliationException.objects.count() == 0


class TestDisputeFacts:
    @pytest.mark.parametrize(
        ("fields", "reason", "actual"),
        [
            ({"amount": 10**12}, "dispute_exceeds_payment", (10**12, "")),
            ({"amount": 777, "currency": "USD"}, "currency_mismatch", (777, "USD")),
            ({"amount": 777, "currency": "INRINRINR"}, "currency_mismatch", (777, "INRINRINR")),
            ({"amount": 777, "currency": None}, "currency_mismatch", (777, "none")),
            ({"amount": 0}, "contradictory_facts", (0, "")),
            ({"amount": 777, "amount_deducted": 778}, "contradictory_facts", (777, "")),
            ({"amount": -777}, "unreadable_facts", (None, "")),
            ({"amount": 7.5}, "unreadable_facts", (None, "")),
            ({"amount": 10**30}, "unreadable_facts", (None, "")),
            ({"amount": 777, "amount_deducted": -1}, "unreadable_facts", (None, "")),
            ({"amount": 777, "status": "lost in the post"}, "unreadable_facts", (None, "")),
        ],
    )
    def test_dispute_that_cannot_be_is_an_exception_and_nothing_else(
        self, attempt: PaymentAttempt, fields: dict[str, Any], reason: str, actual: tuple[Any, str]
    ) -> None:
        before = books()

        webhook = receive_event("payment.dispute.created", dispute=dispute_entity(attempt, **fields))

        exception = ReconciliationException.objects.get()
        assert (exception.reason, exception.entity_id, exception.attempt_id) == (reason, DISPUTE, attempt.pk)
        assert (exception.actual_amount, exception.actual_currency) == actual
        assert webhook.outcome == "ignored"
        assert books() == before
        assert violated() == []

    def test_webhook_won_with_the_state_lost_contradicts_itself(self, attempt: PaymentAttempt) -> None:
        before = books()

        webhook = receive_event("payment.dispute.won", dispute=dispute_entity(attempt, status="lost"))

        assert ReconciliationException.objects.get().reason == "contradictory_facts"
        assert webhook.outcome_reason == f"The webhook payment.dispute.won reports {DISPUTE} as lost."
        assert books() == before

    def test_dispute_of_refunded_money_can_be_answered_but_takes_nothing(self, attempt: PaymentAttempt) -> None:
        receive_event("refund.processed", refund=refund_entity(attempt, amount=attempt.amount))
        entries = LedgerEntry.objects.count()
        taken = dispute_entity(attempt, amount_deducted=attempt.amount)

        receive_event("payment.dispute.created", dispute=taken)
        receive_event("payment.dispute.lost", dispute={**taken, "status": "lost"})

        dispute, exception = Dispute.objects.get(), ReconciliationException.objects.get()
        assert (dispute.status, dispute.amount, dispute.amount_deducted) == ("lost", attempt.amount, 0)
        assert (exception.reason, exception.expected_amount) == ("dispute_exceeds_payment", 0)
        assert LedgerEntry.objects.count() == entries
        assert violated() == []

    def test_second_dispute_about_the_same_money_is_an_exception(self, attempt: PaymentAttempt) -> None:
        receive_event("payment.dispute.created", dispute=dispute_entity(attempt))

        receive_event("payment.dispute.created", dispute=dispute_entity(attempt, id="disp_00000000000002", amount=1))

        assert Dispute.objects.count() == 1
        assert ReconciliationException.objects.get().reason == "dispute_exceeds_payment"

    def test_decided_dispute_reported_with_another_outcome_stays_as_it_is(self, attempt: PaymentAttempt) -> None:
        lost = dispute_entity(attempt, status="lost", amount_deducted=attempt.amount)
        receive_event("payment.dispute.lost", dispute=lost)
        before = books()

        receive_event("payment.dispute.won", dispute={**lost, "status": "won"})
        receive_event("payment.dispute.under_review", dispute={**lost, "status": "under_review"})

        exception = ReconciliationException.objects.get()
        assert exception.reason == "contradictory_facts"
        assert exception.description.endswith("as won; it reported it as lost before, which is final.")
        assert books() == before

    def test_known_dispute_of_another_amount_is_an_exception(self, attempt: PaymentAttempt) -> None:
        receive_event("payment.dispute.created", dispute=dispute_entity(attempt))
        before = books()

        receive_event("payment.dispute.under_review", dispute=dispute_entity(attempt, status="under_review", amount=1))

        assert ReconciliationException.objects.get().reason == "amount_mismatch"
        assert books() == before

    def test_poll_meets_the_same_checks(self, attempt: PaymentAttempt) -> None:
        facts = make_gateway_dispute(attempt, amount=10**12)

        with pytest.raises(dispute_updates.DisputeFactsConflict):
            dispute_updates.apply_gateway_dispute(facts=facts, source=Source.POLL, actor=SYSTEM, now=clock.now())

        assert not Dispute.objects.exists()
        assert ReconciliationException.objects.get().reason == "dispute_exceeds_payment"


class TestWebhookAccount:
    @pytest.mark.parametrize("event", ["refund.processed", "payment.dispute.created", "payment.captured"])
    def test_webhook_of_another_account_is_an_exception_and_nothing_else(
        self, attempt: PaymentAttempt, event: str
    ) -> None:
        payment = {
            "id": "pay_00000000000077", "amount": 5_000, "currency": "INR", "status": "captured", "captured": True,
            "order_id": attempt.payment.gateway_order_id, "notes": [],
        }  # fmt: skip
        entities = {
            "refund.processed": {"refund": refund_entity(attempt)},
            "payment.captured": {"payment": payment},
            "payment.dispute.created": {"dispute": dispute_entity(attempt)},
        }
        before = books()

        webhook = receive_event(event, account_id="acc_SomebodyElses1", **entities[event])

        assert ReconciliationException.objects.get().reason == "account_mismatch"
        assert (webhook.outcome, "acc_SomebodyElses1" in webhook.outcome_reason) == ("ignored", True)
        assert books() == before
        assert violated() == []

    def test_settlement_of_another_account_is_ignored(self, attempt: PaymentAttempt) -> None:
        before = books()

        webhook = receive_event(
            "settlement.processed", account_id="acc_SomebodyElses1",
            settlement={"id": "setl_00000000000001", "amount": 1, "created_at": 1_795_000_000},
        )  # fmt: skip

        assert webhook.outcome == "ignored"
        assert not ReconciliationException.objects.exists()
        assert books() == before

    def test_unreadable_payment_of_an_order_of_ours_is_an_exception(self, order: Any) -> None:
        payment = make_payment(order)
        entity = {
            "id": "pay_00000000000077", "amount": -5_000, "currency": "INR", "status": "captured",
            "order_id": payment.gateway_order_id, "notes": [],
        }  # fmt: skip

        webhook = receive_event("payment.captured", payment=entity)

        assert ReconciliationException.objects.get().reason == "unreadable_facts"
        assert webhook.outcome == "ignored"

    @pytest.mark.parametrize("account_id", [None, "", "acc_BahiSandbox001", "BahiSandbox001"])
    def test_webhook_of_our_account_is_processed(self, attempt: PaymentAttempt, account_id: str | None) -> None:
        webhook = receive_event("refund.processed", account_id=account_id, refund=refund_entity(attempt))

        assert webhook.outcome == "processed"

    def test_without_the_setting_accounts_are_not_compared(self, attempt: PaymentAttempt, settings: Any) -> None:
        settings.RAZORPAY_ACCOUNT_ID = ""

        assert (
            receive_event("refund.processed", account_id="acc_Any", refund=refund_entity(attempt)).outcome
            == "processed"
        )

    @pytest.mark.parametrize(
        "raw", [b"", b"not json", b"[]", b'{"payload": []}', b'{"payload": {"refund": 5}}', b"[" * 90_000]
    )
    def test_envelope_of_nonsense_is_empty(self, raw: bytes) -> None:
        assert envelope_from(raw).entity_id == ""


class TestWebhookAttempts:
    @pytest.fixture
    def broken(self, attempt: PaymentAttempt, monkeypatch: pytest.MonkeyPatch) -> Webhook:
        """A webhook whose processing fails whenever it is attempted."""

        def fail(**_: Any) -> None:
            raise RuntimeError("a defect")

        monkeypatch.setattr("apps.payments.services.webhooks.apply_gateway_refund", fail)
        body = {"event": "refund.processed", "payload": {"refund": {"entity": refund_entity(attempt)}}}
        return receive(json.dumps(body).encode())

    def sweep(self, at: datetime) -> int:
        return webhooks.sweep_webhooks(now=at)

    def test_webhook_that_fails_is_attempted_six_times_with_growing_waits_and_then_parked(
        self, broken: Webhook
    ) -> None:
        start, at, attempts = clock.now(), clock.now(), []
        webhooks.process_webhook(webhook_id=broken.pk, now=start)
        while at < start + timedelta(days=1):
            at += timedelta(seconds=30)
            self.sweep(at)
            broken.refresh_from_db()
            if broken.attempts != (attempts[-1][0] if attempts else 1):
                attempts.append((broken.attempts, int((at - start).total_seconds())))

        assert attempts == [(2, 60), (3, 360), (4, 1_260), (5, 4_860), (6, 26_460)]
        assert (broken.parked_at is not None, broken.processed_at, broken.last_error) == (
            True, None, "RuntimeError: a defect",
        )  # fmt: skip
        exception = ReconciliationException.objects.get()
        assert (exception.reason, exception.entity_id, exception.webhook_id) == (
            "webhook_failed", broken.public_id, broken.pk,
        )  # fmt: skip
        report = audit.run(now=at, only=["INV-18i", "INV-41"])
        assert [result.invariant.id for result in report.failing] == []

    def test_failed_attempt_leaves_nothing_behind(self, broken: Webhook) -> None:
        before = books()

        webhooks.process_webhook(webhook_id=broken.pk, now=clock.now())

        broken.refresh_from_db()
        assert (broken.attempts, broken.outcome) == (1, "")
        assert books() == before

    def test_webhook_that_ends_the_process_is_bounded_too(
        self, broken: Webhook, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Killed(BaseException):
            """What no handler catches."""

        def die(**_: Any) -> None:
            raise Killed

        monkeypatch.setattr("apps.payments.services.webhooks.process_webhook", die)
        at, ends = clock.now(), 0
        for _ in range(20):
            at += timedelta(hours=12)
            try:
                self.sweep(at)
            except Killed:
                ends += 1

        broken.refresh_from_db()
        assert (ends, broken.attempts, broken.parked_at is not None) == (6, 6, True)
        assert ReconciliationException.objects.get().reason == "webhook_failed"

    def test_what_the_database_cannot_store_is_ignored_at_once(
        self, broken: Webhook, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(**_: Any) -> None:
            raise DataError("value too long")

        monkeypatch.setattr("apps.payments.services.webhooks.apply_gateway_refund", fail)

        webhooks.process_webhook(webhook_id=broken.pk, now=clock.now())

        broken.refresh_from_db()
        assert (broken.outcome, broken.parked_at) == ("ignored", None)
        assert broken.outcome_reason == "it cannot be stored: value too long"
        assert ReconciliationException.objects.get().reason == "webhook_failed"

    def test_ignored_webhook_is_never_swept_again(self, attempt: PaymentAttempt) -> None:
        webhook = receive_event("refund.processed", refund=refund_entity(attempt, amount=0))

        assert self.sweep(clock.now() + timedelta(days=2)) == 0
        webhook.refresh_from_db()
        assert (webhook.attempts, webhook.outcome) == (0, "ignored")

    def test_parked_webhook_is_processed_when_staff_retry_it(
        self, broken: Webhook, administrator: Any, client: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        at = clock.now()
        for _ in range(6):
            at += timedelta(hours=12)
            self.sweep(at)
        monkeypatch.undo()
        client.force_login(administrator)
        page = client.get(f"/admin/payments/webhook/{broken.pk}/change/").content.decode()
        assert "Parked after 6 attempts" in page

        url = f"/admin/payments/webhook/{broken.pk}/actions/retry/"
        shown = client.get(url).content.decode()
        answer = client.post(url)

        broken.refresh_from_db()
        assert "It is processed again, with six new attempts." in shown
        assert (answer.status_code, broken.parked_at, broken.attempts) == (302, None, 0)
        assert self.sweep(clock.now() + timedelta(minutes=1)) == 1
        assert Refund.objects.get().status == "processed"

    def test_staff_who_may_not_decide_about_exceptions_cannot_retry_it(
        self, broken: Webhook, support: Any, client: Any
    ) -> None:
        Webhook.objects.filter(pk=broken.pk).update(parked_at=clock.now(), attempts=6)
        client.force_login(support)

        assert client.post(f"/admin/payments/webhook/{broken.pk}/actions/retry/").status_code == 403

        broken.refresh_from_db()
        assert (broken.parked_at is not None, broken.attempts) == (True, 6)

    def test_webhook_that_is_not_parked_is_not_retried(self, attempt: PaymentAttempt) -> None:
        webhook = receive_event("refund.processed", refund=refund_entity(attempt))

        with pytest.raises(webhooks.WebhookNotParked):
            webhooks.retry_webhook(webhook_id=webhook.pk, actor=SYSTEM, now=clock.now())

        assert not Event.objects.filter(type="payments.webhook.retry_requested").exists()


class TestResponseToOurCall:
    def test_answer_of_another_amount_leaves_our_refund_unknown_and_is_shown_once(
        self, attempt: PaymentAttempt, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refund = request_refund(attempt, 5_000)
        facts = GatewayRefund(
            gateway="razorpay", id=new_gateway_id("rfnd"), gateway_payment_id=attempt.gateway_payment_id,
            status="processed", amount=4_999, currency="INR", our_refund=refund.public_id,
        )  # fmt: skip
        monkeypatch.setattr("apps.payments.services.refunds.submission._create", lambda *_: facts)
        entries, now = LedgerEntry.objects.count(), clock.now()

        submission.submit_refund(refund_id=refund.pk, now=now)
        submission.submit_refund(refund_id=refund.pk, now=now + timedelta(minutes=10))

        refund.refresh_from_db()
        assert (refund.status, refund.gateway_refund_id, refund.checks) == ("unknown", None, 2)
        assert refund.next_check_at > now
        assert ReconciliationException.objects.get().reason == "amount_mismatch"
        assert LedgerEntry.objects.count() == entries
        assert ledger.balance_of("refunds_payable") == -5_000
