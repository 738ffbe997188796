"""Money that goes back: how much may be asked, who decides, what the gateway makes of it, and what the books say."""

import json
from datetime import timedelta
from typing import Any

import pytest

from apps.core import audit, clock
from apps.core.events import SYSTEM, Actor
from apps.core.models import Event
from apps.ledger import selectors as ledger
from apps.ledger.models import LedgerTransaction
from apps.orders.models import Order
from apps.orders.services import OrderNotCancellable, expire_orders
from apps.payments.facts import GatewayError, GatewayRefund
from apps.payments.gateways.razorpay import adapter
from apps.payments.models import PaymentAttempt, Refund
from apps.payments.selectors import refund_sums
from apps.payments.services import decision_rights, gateway_orders, order_cancellation, payment_reviews, webhooks
from apps.payments.services.refunds import (
    amounts,
    approvals,
    bank_transfers,
    gateway_updates,
    plans,
    requests,
    submission,
)
from tests.factories.catalog import make_variant
from tests.factories.orders import actor_for, make_order
from tests.factories.payments import (
    apply_payment,
    apply_refund,
    make_dispute,
    make_gateway_payment,
    make_payment,
    new_gateway_id,
    pay,
)
from tests.support.colleagues import ASHA, BALA, CHITRA, DEEPA
from tests.support.money_invariants import INVARIANTS
from tests.support.refunds import apply_refund_update, gateway_refund_of, request_refund, request_refunds, sync_refund
from tests.support.stock import stock_of
from tests.support.webhooks import receive

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("colleagues")]


@pytest.fixture(autouse=True)
def _books_balance_after_each_test(db: None) -> Any:
    yield
    report = audit.run(now=clock.now(), only=[one.id for one in INVARIANTS if one.id != "INV-42"])
    assert [(result.invariant.id, result.rows, result.error) for result in report.failing] == []


def balance(code: str) -> int:
    return ledger.balance_of(code)


# Asking ---------------------------------------------------------------------------------------------------------------


def test_full_refund_leaves_every_balance_at_zero(order: Any) -> None:
    pay(order)
    refund = request_refund(order)
    assert (refund.amount, refund.status, refund.number) == (order.total_amount, "pending", f"{order.number}-R1")
    assert (balance("refunds_payable"), balance("customer_advances")) == (-order.total_amount, 0)

    apply_refund_update(refund, arn="123", speed_processed="normal")

    refund.refresh_from_db()
    order.refresh_from_db()
    assert (refund.status, refund.arn) == ("processed", "123")
    assert (order.refunded_amount, order.paid_amount) == (order.total_amount, order.total_amount)
    codes = ("refunds_payable", "customer_advances", "gateway_receivable:razorpay")
    assert [balance(code) for code in codes] == [0, 0, 0]


def test_refund_cannot_exceed_the_refundable_amount(order: Any) -> None:
    pay(order)
    request_refund(order, amount=order.total_amount - 1_000)
    with pytest.raises(amounts.RefundExceedsPayment):
        request_refund(order, amount=1_001)
    request_refund(order, amount=1_000)
    with pytest.raises(amounts.NothingToRefund):
        request_refund(order)
    assert Refund.objects.count() == 2


@pytest.mark.parametrize("amount", [0, 1, 99])
def test_a_refund_is_at_least_a_rupee(order: Any, amount: int) -> None:
    pay(order)
    with pytest.raises(amounts.RefundTooSmall):
        request_refund(order, amount=amount)
    assert Refund.objects.count() == 0


def test_unpaid_order_has_nothing_to_refund(order: Any) -> None:
    with pytest.raises(amounts.NothingToRefund):
        request_refund(order)


def test_refunds_of_units_sum_to_the_total_of_the_line(shop: Any, owner: Any) -> None:
    order = make_order(owner, [(make_variant(price=33_333), 3), (make_variant(price=10_001), 1)])
    pay(order)
    first, second = order.lines.order_by("position")
    parts = [request_refund(order, lines=[amounts.RefundLineInput(first.pk, 1)]).amount for _ in range(3)]
    assert sum(parts) == first.total_amount
    last = request_refund(order, lines=[amounts.RefundLineInput(second.pk, 1)])
    assert sum(parts) + last.amount == order.total_amount
    with pytest.raises(amounts.RefundQuantityExceedsLine):
        request_refund(order, lines=[amounts.RefundLineInput(first.pk, 1)])


def test_lines_of_another_order_and_lines_with_an_amount_are_refused(order: Any, owner: Any) -> None:
    pay(order)
    foreign = amounts.RefundLineInput(make_order(owner).lines.get().pk, 1)
    with pytest.raises(amounts.LineNotInOrder):
        request_refund(order, lines=[foreign])
    own = amounts.RefundLineInput(order.lines.get().pk, 1)
    with pytest.raises(plans.AmountAndLinesConflict):
        request_refund(order, amount=500, lines=[own], actor=actor_for(owner))
    assert Refund.objects.count() == 0


# Deciding -------------------------------------------------------------------------------------------------------------


def test_refund_requested_by_the_customer_requires_approval(order: Any, owner: Any) -> None:
    pay(order)
    refund = request_refund(order, actor=actor_for(owner))
    assert (refund.status, refund.next_check_at, balance("refunds_payable")) == ("requires_approval", None, 0)
    with pytest.raises(decision_rights.SelfApprovalForbidden):
        approvals.approve_refund(refund_id=refund.pk, actor=actor_for(owner), now=clock.now())
    approved = approvals.approve_refund(refund_id=refund.pk, actor=BALA, now=clock.now())
    assert (approved.status, approved.approved_by) == ("pending", str(BALA))
    assert balance("refunds_payable") == -order.total_amount
    with pytest.raises(approvals.RefundNotAwaitingApproval):
        approvals.approve_refund(refund_id=refund.pk, actor=BALA, now=clock.now())


def test_over_the_limit_finance_needs_a_second_person_too(order: Any, settings: Any) -> None:
    pay(order)
    settings.REFUND_APPROVAL_THRESHOLD_PAISE = 1_000
    assert request_refund(order, amount=1_000).status == "pending"
    large = request_refund(order, amount=1_001)
    assert large.status == "requires_approval"
    with pytest.raises(decision_rights.SelfApprovalForbidden):
        approvals.approve_refund(refund_id=large.pk, actor=ASHA, now=clock.now())


def test_rejected_or_cancelled_refund_releases_its_amount(order: Any) -> None:
    pay(order)
    waiting = request_refund(order, actor=DEEPA)
    approvals.reject_refund(refund_id=waiting.pk, actor=BALA, reason="no", now=clock.now())
    unsent = request_refund(order)
    approvals.cancel_refund(refund_id=unsent.pk, actor=ASHA, now=clock.now())
    assert refund_sums.order_refundable_amount(order.pk) == order.total_amount
    assert (balance("refunds_payable"), balance("customer_advances")) == (0, -order.total_amount)


def test_refund_of_a_cancelled_order_is_not_given_up(order: Any) -> None:
    pay(order)
    order_cancellation.cancel_order(order_id=order.pk, actor=DEEPA, reason="out of stock", now=clock.now())
    refund = Refund.objects.get()
    assert refund.status == "requires_approval"
    before = Event.objects.count()

    with pytest.raises(
        approvals.RefundOfClosedOrder, match=f"Order {order.number} is cancelled, so its money must be refunded"
    ):
        approvals.reject_refund(refund_id=refund.pk, actor=BALA, reason="no", now=clock.now())
    with pytest.raises(approvals.RefundOfClosedOrder):
        approvals.cancel_refund(refund_id=refund.pk, actor=DEEPA, now=clock.now())

    refund.refresh_from_db()
    assert (refund.status, Event.objects.count()) == ("requires_approval", before)
    assert approvals.approve_refund(refund_id=refund.pk, actor=BALA, now=clock.now()).status == "pending"


def test_submitted_refund_cannot_be_cancelled(order: Any) -> None:
    pay(order)
    refund = request_refund(order)
    apply_refund_update(refund, "pending")
    with pytest.raises(approvals.RefundNotCancellable):
        approvals.cancel_refund(refund_id=refund.pk, actor=ASHA, now=clock.now())


def test_failed_refund_is_retried_once_as_a_new_refund(order: Any) -> None:
    pay(order)
    failed = request_refund(order)
    apply_refund_update(failed, "failed")
    again = requests.retry_refund(refund_id=failed.pk, actor=ASHA, now=clock.now())
    assert (again.retry_of_id, again.amount, again.number) == (failed.pk, failed.amount, f"{order.number}-R2")
    assert again.idempotency_key != failed.idempotency_key
    with pytest.raises(requests.RefundAlreadyRetried):
        requests.retry_refund(refund_id=failed.pk, actor=ASHA, now=clock.now())
    with pytest.raises(requests.RefundNotFailed):
        requests.retry_refund(refund_id=again.pk, actor=ASHA, now=clock.now())


def test_failed_refund_is_paid_by_bank_transfer(order: Any) -> None:
    pay(order)
    refund = request_refund(order)
    apply_refund_update(refund, "failed")
    held = bank_transfers.hold_refund_for_transfer(refund_id=refund.pk, actor=BALA, now=clock.now())
    assert (held.status, balance("refunds_payable")) == ("awaiting_transfer", -order.total_amount)
    with pytest.raises(amounts.NothingToRefund):
        request_refund(order)
    done = bank_transfers.confirm_refund_transfer(refund_id=refund.pk, reference="NEFT 1", actor=BALA, now=clock.now())
    assert (done.status, done.transfer_reference) == ("processed", "NEFT 1")
    assert (balance("bank"), balance("refunds_payable")) == (-order.total_amount, 0)
    order.refresh_from_db()
    assert order.refunded_amount == order.total_amount


def test_rejected_transfer_releases_its_amount(order: Any) -> None:
    pay(order)
    refund = request_refund(order)
    apply_refund_update(refund, "failed")
    bank_transfers.hold_refund_for_transfer(refund_id=refund.pk, actor=BALA, now=clock.now())

    given_up = approvals.reject_refund(refund_id=refund.pk, reason="no account told", actor=BALA, now=clock.now())

    assert (given_up.status, balance("refunds_payable"), balance("bank")) == ("cancelled", 0, 0)
    assert request_refund(order).amount == order.total_amount


def test_refund_of_a_rejected_transfer_is_booked_if_the_gateway_processes_it(order: Any) -> None:
    pay(order)
    refund = request_refund(order)
    apply_refund_update(refund, "failed")
    bank_transfers.hold_refund_for_transfer(refund_id=refund.pk, actor=BALA, now=clock.now())
    approvals.reject_refund(refund_id=refund.pk, reason="no account told", actor=BALA, now=clock.now())

    done = apply_refund_update(refund)

    assert (done.status, balance("refunds_payable"), balance("bank")) == ("processed", 0, 0)
    assert (balance("customer_advances"), balance("gateway_receivable:razorpay")) == (0, 0)
    kinds = LedgerTransaction.objects.filter(source_id=refund.pk).values_list("kind", flat=True)
    assert sorted(kinds) == [
        "refund", "refund_due", "refund_reinstated", "refund_reinstated:2", "refund_reversal", "refund_reversal:2",
    ]  # fmt: skip


def test_confirmed_transfer_cannot_be_rejected(order: Any) -> None:
    pay(order)
    refund = request_refund(order)
    apply_refund_update(refund, "failed")
    bank_transfers.confirm_refund_transfer(refund_id=refund.pk, reference="NEFT 1", actor=BALA, now=clock.now())
    before = stands(refund)

    with pytest.raises(approvals.RefundNotAwaitingApproval):
        approvals.reject_refund(refund_id=refund.pk, reason="", actor=BALA, now=clock.now())

    assert stands(refund) == before


# A second person ------------------------------------------------------------------------------------------------------


def stands(refund: Refund) -> tuple[Any, ...]:
    """Return what a refusal must leave as it was."""
    row = (
        Refund.objects.filter(pk=refund.pk).values_list("status", "approved_by", "transfer_reference", "version").get()
    )
    return (*row, Refund.objects.count(), LedgerTransaction.objects.count(), Event.objects.count())


def test_requester_cannot_confirm_the_transfer(order: Any) -> None:
    pay(order)
    refund = request_refund(order)
    apply_refund_update(refund, "failed")
    before = stands(refund)

    with pytest.raises(decision_rights.SecondPersonRequired):
        bank_transfers.confirm_refund_transfer(refund_id=refund.pk, reference="NEFT 1", actor=ASHA, now=clock.now())

    assert stands(refund) == before


def test_requester_cannot_hold_the_amount_for_a_transfer(order: Any) -> None:
    pay(order)
    refund = request_refund(order)
    apply_refund_update(refund, "failed")
    before = stands(refund)

    with pytest.raises(decision_rights.SecondPersonRequired):
        bank_transfers.hold_refund_for_transfer(refund_id=refund.pk, actor=ASHA, now=clock.now())

    assert stands(refund) == before


def test_one_bank_transfer_pays_refunds_of_one_customer_alone(order: Any, stranger: Any) -> None:
    refunds = []
    for each in (order, make_order(order.customer), make_order(stranger)):
        pay(each)
        refunds.append(request_refund(each))
        apply_refund_update(refunds[-1], "failed")
    first, second, of_stranger = refunds
    for refund in (first, second):
        bank_transfers.confirm_refund_transfer(refund_id=refund.pk, reference="N 1", actor=BALA, now=clock.now())
    before = stands(of_stranger)

    with pytest.raises(bank_transfers.TransferReferenceInUse, match=first.number):
        bank_transfers.confirm_refund_transfer(refund_id=of_stranger.pk, reference="n 1", actor=BALA, now=clock.now())

    assert stands(of_stranger) == before


@pytest.mark.parametrize("reference", ["", " "])
def test_a_transfer_without_reference_is_not_confirmed(order: Any, reference: str) -> None:
    pay(order)
    refund = request_refund(order)
    apply_refund_update(refund, "failed")
    before = stands(refund)

    with pytest.raises(ValueError, match="has no reference"):
        bank_transfers.confirm_refund_transfer(refund_id=refund.pk, reference=reference, actor=BALA, now=clock.now())

    assert stands(refund) == before


def test_up_to_the_limit_another_person_confirms_the_transfer_alone(order: Any, settings: Any) -> None:
    pay(order)
    refund = request_refund(order)
    settings.REFUND_APPROVAL_THRESHOLD_PAISE = refund.amount
    apply_refund_update(refund, "failed")

    done = bank_transfers.confirm_refund_transfer(refund_id=refund.pk, reference="NEFT 1", actor=BALA, now=clock.now())

    assert (done.status, done.approved_by) == ("processed", str(BALA))


def test_above_the_limit_a_transfer_needs_two_other_people(order: Any, settings: Any) -> None:
    pay(order)
    refund = request_refund(order)
    settings.REFUND_APPROVAL_THRESHOLD_PAISE = refund.amount - 1
    apply_refund_update(refund, "failed")
    before = stands(refund)
    with pytest.raises(decision_rights.SecondPersonRequired):
        bank_transfers.confirm_refund_transfer(refund_id=refund.pk, reference="NEFT 1", actor=BALA, now=clock.now())
    assert stands(refund) == before

    held = bank_transfers.hold_refund_for_transfer(refund_id=refund.pk, actor=BALA, now=clock.now())
    assert (held.status, held.approved_by) == ("awaiting_transfer", str(BALA))
    before = stands(refund)
    for who in (ASHA, BALA):
        with pytest.raises(decision_rights.SecondPersonRequired):
            bank_transfers.confirm_refund_transfer(refund_id=refund.pk, reference="NEFT 1", actor=who, now=clock.now())
    assert stands(refund) == before

    done = bank_transfers.confirm_refund_transfer(
        refund_id=refund.pk, reference="NEFT 1", actor=CHITRA, now=clock.now()
    )
    assert (done.status, done.approved_by, balance("refunds_payable")) == ("processed", str(BALA), 0)


def test_above_the_limit_a_retry_requires_approval(order: Any, settings: Any) -> None:
    pay(order)
    failed = request_refund(order)
    apply_refund_update(failed, "failed")
    settings.REFUND_APPROVAL_THRESHOLD_PAISE = failed.amount - 1
    again = requests.retry_refund(refund_id=failed.pk, actor=BALA, now=clock.now())
    assert (again.status, balance("refunds_payable")) == ("requires_approval", 0)
    before = stands(again)

    with pytest.raises(decision_rights.SelfApprovalForbidden):
        approvals.approve_refund(refund_id=again.pk, actor=BALA, now=clock.now())

    assert stands(again) == before
    assert approvals.approve_refund(refund_id=again.pk, actor=ASHA, now=clock.now()).status == "pending"


# Money that needs attention -------------------------------------------------------------------------------------------------------


@pytest.fixture
def differing(order: Any) -> PaymentAttempt:
    """Money that is a paisa more than was asked for, beside the right money of the same payment."""
    payment = make_payment(order)
    apply_payment(make_gateway_payment(payment))
    return apply_payment(make_gateway_payment(payment, amount=payment.amount + 1))


def test_refund_of_reviewed_money_closes_its_review(differing: PaymentAttempt, order: Any) -> None:
    refund = payment_reviews.refund_reviewed_attempt(
        attempt_id=differing.pk, note="a paisa", actor=ASHA, now=clock.now()
    )
    assert (refund.attempt_id, refund.amount, refund.reason) == (differing.pk, differing.amount, "amount_mismatch")
    assert refund_sums.order_refundable_amount(order.pk) == order.total_amount
    with pytest.raises(amounts.NothingToRefund):
        payment_reviews.refund_reviewed_attempt(attempt_id=differing.pk, actor=ASHA, now=clock.now())
    differing.refresh_from_db()
    assert differing.review_closed_at is None

    apply_refund_update(refund)

    differing.refresh_from_db()
    assert differing.review_closed_at is not None
    with pytest.raises(payment_reviews.AttemptNotUnderReview):
        payment_reviews.refund_reviewed_attempt(attempt_id=differing.pk, actor=ASHA, now=clock.now())


@pytest.mark.parametrize("actor", [ASHA, DEEPA])
def test_refund_of_reviewed_money_above_the_limit_or_by_support_requires_approval(
    differing: PaymentAttempt, settings: Any, actor: Actor
) -> None:
    settings.REFUND_APPROVAL_THRESHOLD_PAISE = differing.amount - 1 if actor == ASHA else differing.amount
    refund = payment_reviews.refund_reviewed_attempt(attempt_id=differing.pk, actor=actor, now=clock.now())
    assert (refund.status, balance("refunds_payable")) == ("requires_approval", 0)


def test_a_review_is_closed_only_with_a_note_and_once_nothing_is_left(differing: PaymentAttempt) -> None:
    def close(note: str = "done") -> PaymentAttempt:
        return payment_reviews.close_review(attempt_id=differing.pk, note=note, actor=ASHA, now=clock.now())

    with pytest.raises(payment_reviews.ReviewNoteRequired):
        close(" ")
    with pytest.raises(payment_reviews.ReviewHasUnrefundedAmount):
        close()
    payment_reviews.refund_reviewed_attempt(attempt_id=differing.pk, actor=DEEPA, now=clock.now())
    with pytest.raises(payment_reviews.ReviewHasUnrefundedAmount):
        close()
    approvals.approve_refund(refund_id=Refund.objects.get().pk, actor=BALA, now=clock.now())

    assert close().review_closed_at is not None

    with pytest.raises(payment_reviews.AttemptNotUnderReview):
        close()
    told = Event.objects.filter(subject_id=differing.pk, type="payments.attempt.review_closed")
    assert list(told.values_list("reason", "actor")) == [("done", str(ASHA))]


def test_somebody_has_the_gateway_asked_about_a_refund(order: Any) -> None:
    pay(order)
    refund = request_refund(order)
    before = Event.objects.count()
    for _ in range(2):
        asked = submission.request_refund_sync(refund_id=refund.pk, actor=ASHA, now=refund.created_at)
        assert asked.next_check_at == refund.created_at
    assert Event.objects.count() == before + 1
    apply_refund_update(refund)
    with pytest.raises(submission.RefundNotOpen):
        submission.request_refund_sync(refund_id=refund.pk, actor=ASHA, now=clock.now())


# The gateway ----------------------------------------------------------------------------------------------------------


def test_gateway_processes_the_refund(paid: Any) -> None:
    refund = sync_refund(request_refund(paid, speed="instant"))
    assert (refund.status, refund.speed_processed, refund.gateway_call) == ("processed", "instant", "succeeded")
    assert refund.gateway_refund_id.startswith("rfnd_")
    assert refund.next_check_at is None


@pytest.mark.parametrize("kind", ["drop_after_commit", "malformed", "drop_before_commit", "status"])
def test_a_lost_answer_is_unknown_and_never_doubles_the_refund(paid: Any, sandbox: Any, kind: str) -> None:
    refund = request_refund(paid)
    sandbox.control("POST", "/faults", {"path": "/v1/payments/*/refund", "method": "POST", "kind": kind})
    assert (sync_refund(refund).status, refund.gateway_call) == ("unknown", "unknown")
    with pytest.raises(amounts.NothingToRefund):
        request_refund(paid)
    assert sync_refund(refund, after=120).status == "processed"
    assert len(sandbox.control("GET", "/truth")["refunds"]) == 1


def test_refund_whose_worker_crashed_is_looked_up(paid: Any, sandbox: Any) -> None:
    refund = request_refund(paid)
    Refund.objects.filter(pk=refund.pk).update(gateway_call="unknown", claimed_until=clock.now())
    adapter.Razorpay().create_refund(
        gateway_payment_id=refund.attempt.gateway_payment_id, amount=refund.amount, speed="normal", receipt=refund.number,
        notes={"refund": refund.public_id}, idempotency_key="a-key-of-somebody-else",
    )  # fmt: skip
    assert sync_refund(refund, after=120).status == "processed"
    assert len(sandbox.control("GET", "/truth")["refunds"]) == 1


def test_rejection_by_the_gateway_releases_the_amount(paid: Any, sandbox: Any) -> None:
    sandbox.control("POST", "/knobs/razorpay", {"refund_balance": 100})
    refund = sync_refund(request_refund(paid))
    assert (refund.status, refund.error["reason"]) == ("failed", "insufficient_account_balance")
    assert (refund_sums.order_refundable_amount(paid.pk), balance("refunds_payable")) == (paid.total_amount, 0)


def test_a_refund_that_takes_its_time_is_asked_about_until_it_ends(paid: Any, sandbox: Any) -> None:
    sandbox.control("POST", "/knobs/razorpay", {"refund_outcome": "manual"})
    refund = sync_refund(request_refund(paid))
    assert (refund.status, refund.gateway_call) == ("pending", "succeeded")
    sandbox.control("POST", f"/refunds/{refund.gateway_refund_id}/conclude", {"outcome": "processed"})
    assert submission.poll_open_refunds(now=clock.now() + timedelta(hours=2)) == 1
    refund.refresh_from_db()
    assert refund.status == "processed"


# News, in any order -----------------------------------------------------------------------------------------------------


def _process(raw: bytes) -> None:
    webhook = receive(raw)
    webhooks.process_webhook(webhook_id=webhook.pk, now=clock.now())


def test_processed_is_never_undone_and_failed_gives_way_to_it(order: Any) -> None:
    pay(order)
    refund = request_refund(order)
    apply_refund_update(refund, "failed")
    assert balance("refunds_payable") == 0
    apply_refund_update(refund, "processed")
    apply_refund_update(refund, "failed")
    apply_refund_update(refund, "pending")
    refund.refresh_from_db()
    assert refund.status == "processed"
    assert (balance("refunds_payable"), balance("gateway_receivable:razorpay")) == (0, 0)


def test_a_refund_made_at_the_gateway_gets_its_row_and_its_posting(order: Any) -> None:
    attempt = pay(order)
    facts = GatewayRefund(
        gateway="razorpay", id=new_gateway_id("rfnd"), gateway_payment_id=attempt.gateway_payment_id, status="processed",
        amount=5_000, currency="INR",
    )  # fmt: skip
    for _ in range(2):
        gateway_updates.apply_gateway_refund(facts=facts, actor=SYSTEM, now=clock.now())
    refund = Refund.objects.get()
    assert (refund.status, refund.amount, refund.requested_by) == ("processed", 5_000, "gateway:razorpay")
    order.refresh_from_db()
    assert order.refunded_amount == 5_000


def test_refund_reported_with_another_amount_is_a_conflict(order: Any) -> None:
    pay(order)
    refund = request_refund(order)
    with pytest.raises(gateway_updates.RefundFactsConflict):
        apply_refund_update(refund, amount=refund.amount - 1)


def test_refund_without_capture_posts_nothing(order: Any, sandbox: Any) -> None:
    payment = make_payment(order, is_ready=False)
    gateway_orders.create_gateway_order(payment_id=payment.pk, now=clock.now())
    payment.refresh_from_db()
    sandbox.world.razorpay.orders[payment.gateway_order_id].capture = "manual"
    paid = sandbox.control("POST", f"/orders/{payment.gateway_order_id}/checkout", {"outcome": "success"})
    sandbox.control("POST", f"/payments/{paid['razorpay_payment_id']}/auto_refund")
    entity = sandbox.world.razorpay.payments[paid["razorpay_payment_id"]].to_wire()
    told = {"id": "rfnd_auto0000000001", "payment_id": entity["id"], "amount": entity["amount"], "currency": "INR",
            "status": "processed", "notes": []}  # fmt: skip
    payload = {"payment": {"entity": entity}, "refund": {"entity": told}}
    _process(json.dumps({"entity": "event", "event": "refund.processed", "payload": payload}).encode())
    assert PaymentAttempt.objects.get(gateway_payment_id=entity["id"]).status == "auto_refunded"
    assert (Refund.objects.count(), LedgerTransaction.objects.count()) == (0, 0)


# Cancelling, late and surplus money -------------------------------------------------------------------------------------


def test_cancelling_a_paid_order_releases_stock_and_refunds(order: Any, owner: Any) -> None:
    pay(order)
    order_cancellation.cancel_order(order_id=order.pk, actor=actor_for(owner), reason="By mistake", now=clock.now())
    order.refresh_from_db()
    refund = Refund.objects.get()
    assert (order.status, order.cancel_reason) == ("cancelled", "By mistake")
    assert (refund.status, refund.reason, refund.amount) == ("pending", "order_cancelled", order.total_amount)
    assert stock_of(variant_id=order.lines.get().variant_id).reserved == 0
    with pytest.raises(OrderNotCancellable):
        order_cancellation.cancel_order(order_id=order.pk, actor=actor_for(owner), reason="", now=clock.now())


def test_late_payment_revives_an_expired_order_with_stock(order: Any) -> None:
    payment = make_payment(order)
    later = order.expires_at + timedelta(hours=1)
    expire_orders(now=later)
    attempt = apply_payment(make_gateway_payment(payment), now=later)
    order.refresh_from_db()
    assert (order.status, attempt.review_reason, attempt.review_closed_at) == ("confirmed", "", later)
    assert Refund.objects.count() == 0
    assert stock_of(variant_id=order.lines.get().variant_id).reserved == 1


@pytest.mark.parametrize("why", ["sold out", "setting"])
def test_late_payment_is_refunded_where_the_order_is_not_revived(
    order: Any, stranger: Any, settings: Any, why: str
) -> None:
    payment = make_payment(order)
    later = order.expires_at + timedelta(hours=1)
    expire_orders(now=later)
    if why == "sold out":
        make_order(stranger, [(order.lines.get().variant, 10)])
    else:
        settings.LATE_PAYMENT_POLICY = "refund"
    attempt = apply_payment(make_gateway_payment(payment), now=later)
    order.refresh_from_db()
    refund = Refund.objects.get()
    assert (order.status, refund.status, refund.reason) == ("expired", "pending", "late_payment")
    assert (attempt.review_reason, attempt.review_closed_at) == ("order_closed", later)


def test_duplicate_payment_is_refunded_once(order: Any) -> None:
    payment = make_payment(order)
    first, second = make_gateway_payment(payment), make_gateway_payment(payment)
    for facts in (first, second, second, first):
        apply_payment(facts)
    refund = Refund.objects.get()
    assert (refund.reason, refund.attempt.gateway_payment_id) == ("paid_twice", second.id)
    apply_refund_update(refund)
    order.refresh_from_db()
    assert (order.status, order.paid_amount - order.refunded_amount) == ("confirmed", order.total_amount)


def test_surplus_money_is_reviewed_again_when_less_is_left_than_its_failed_refund_was_of(order: Any) -> None:
    payment = make_payment(order)
    apply_payment(make_gateway_payment(payment))
    attempt = apply_payment(make_gateway_payment(payment))
    failed = Refund.objects.get()
    apply_refund(failed, status="failed")
    requests.retry_refund(refund_id=failed.pk, actor=ASHA, now=clock.now())
    facts = gateway_refund_of(failed, our_refund="", id="rfnd_dashboard0001", amount=10_000)
    gateway_updates.apply_gateway_refund(facts=facts, actor=SYSTEM, now=clock.now())
    attempt.refresh_from_db()
    assert attempt.review_closed_at is not None

    rest = Refund.objects.get(remainder_of__isnull=False)
    approvals.cancel_refund(refund_id=rest.pk, actor=BALA, now=clock.now())

    attempt.refresh_from_db()
    assert (rest.amount, attempt.review_closed_at) == (attempt.amount - 10_000, None)
    again = payment_reviews.refund_reviewed_attempt(attempt_id=attempt.pk, actor=ASHA, now=clock.now())
    assert again.amount == attempt.amount - 10_000


def test_the_reason_of_staff_is_in_the_event_and_that_of_the_customer_in_the_note(order: Any) -> None:
    attempt = pay(order)
    buyer = actor_for(order.customer)
    values = {"order_id": order.pk, "amount": 10_000, "reason": "customer_request", "actor": buyer, "now": clock.now()}
    (first,), (second,) = request_refunds(**values, note="too small"), request_refunds(**values)

    approvals.reject_refund(refund_id=first.pk, actor=BALA, reason="worn", now=clock.now())
    approvals.cancel_refund(refund_id=second.pk, actor=buyer, reason="I keep it", now=clock.now())

    said = [(one.note, Event.objects.filter(subject_id=one.pk).latest("version").reason)
            for one in Refund.objects.order_by("sequence")]  # fmt: skip
    assert said == [("too small", "worn"), ("I keep it", "")]
    assert refund_sums.attempt_refundable_amount(attempt) == attempt.amount


def test_the_reason_of_the_customer_is_kept_as_far_as_it_fits(order: Any) -> None:
    pay(order)
    buyer = actor_for(order.customer)
    (refund,) = request_refunds(
        order_id=order.pk, amount=10_000, reason="customer_request", note="n" * 150, actor=buyer, now=clock.now()
    )

    approvals.cancel_refund(refund_id=refund.pk, actor=buyer, reason="r" * 100, now=clock.now())

    refund.refresh_from_db()
    assert refund.note == f"{'n' * 150}; {'r' * 48}"


@pytest.mark.parametrize("how", ["refund at the gateway", "lost dispute", "request that awaits approval"])
def test_surplus_money_is_reviewed_again_when_its_failed_refund_cannot_be_retried_any_more(
    order: Any, how: str
) -> None:
    payment = make_payment(order)
    apply_payment(make_gateway_payment(payment))
    attempt = apply_payment(make_gateway_payment(payment))
    failed = apply_refund(Refund.objects.get(), status="failed")
    attempt.refresh_from_db()
    assert attempt.review_closed_at is not None

    if how == "lost dispute":
        make_dispute(attempt, status="lost", amount=10_000, amount_deducted=10_000)
    elif how == "refund at the gateway":
        facts = gateway_refund_of(failed, our_refund="", id="rfnd_dashboard0001", amount=10_000)
        gateway_updates.apply_gateway_refund(facts=facts, actor=SYSTEM, now=clock.now())
    else:
        more, now = attempt.amount + 10_000, clock.now()
        requested = request_refunds(order_id=order.pk, amount=more, reason="customer_request", actor=DEEPA, now=now)
        assert [(one.attempt_id == attempt.pk, one.amount, one.status) for one in requested] == [
            (False, attempt.amount, "requires_approval"), (True, 10_000, "requires_approval"),
        ]  # fmt: skip

    attempt.refresh_from_db()
    assert attempt.review_closed_at is None
    again = payment_reviews.refund_reviewed_attempt(attempt_id=attempt.pk, actor=ASHA, now=clock.now())
    assert again.amount == attempt.amount - 10_000


@pytest.mark.parametrize(("left", "is_open"), [(100, True), (99, False)])
def test_a_review_is_open_while_as_much_is_left_as_can_be_refunded(order: Any, left: int, is_open: bool) -> None:
    payment = make_payment(order)
    attempt = apply_payment(make_gateway_payment(payment, amount=payment.amount - 500))
    assert (attempt.review_reason, attempt.min_refund_amount) == ("amount_mismatch", 100)

    facts = GatewayRefund(
        gateway="razorpay", id="rfnd_dashboard0002", gateway_payment_id=attempt.gateway_payment_id,
        status="processed", amount=attempt.amount - left, currency="INR",
    )  # fmt: skip
    gateway_updates.apply_gateway_refund(facts=facts, actor=SYSTEM, now=clock.now())

    attempt.refresh_from_db()
    assert (attempt.review_closed_at is None) == is_open


@pytest.mark.parametrize("how", ["refused by the gateway", "withheld for a lost dispute"])
def test_surplus_money_is_reviewed_again_when_its_refund_ends_and_a_part_of_it_has_gone(
    order: Any, how: str, sandbox: Any
) -> None:
    payment = make_payment(order)
    apply_payment(make_gateway_payment(payment))
    attempt = apply_payment(make_gateway_payment(payment))
    refund = Refund.objects.get()
    if how == "refused by the gateway":
        Refund.objects.filter(pk=refund.pk).update(gateway_call="unknown")
        facts = gateway_refund_of(refund, our_refund="", id="rfnd_dashboard0001", amount=10_000)
        gateway_updates.apply_gateway_refund(facts=facts, actor=SYSTEM, now=clock.now())
    else:
        make_dispute(attempt, status="lost", amount=10_000, amount_deducted=10_000)
    attempt.refresh_from_db()
    assert attempt.review_closed_at is not None

    if how == "refused by the gateway":
        gateway_updates.mark_refund_failed(refund=refund, error=GatewayError(code="refused"), now=clock.now())
    else:
        submission.sync_refund(refund_id=refund.pk, now=clock.now())

    attempt.refresh_from_db()
    refund.refresh_from_db()
    assert refund.status == ("failed" if how == "refused by the gateway" else "cancelled")
    assert attempt.review_closed_at is None
    again = payment_reviews.refund_reviewed_attempt(attempt_id=attempt.pk, actor=ASHA, now=clock.now())
    assert again.amount == attempt.amount - 10_000


@pytest.mark.parametrize("why", ["paid twice", "late"])
def test_surplus_money_whose_refund_is_given_up_is_for_staff_to_decide_again(
    order: Any, why: str, settings: Any
) -> None:
    settings.LATE_PAYMENT_POLICY = "refund"
    payment, later = make_payment(order), order.expires_at + timedelta(hours=1)
    if why == "late":
        expire_orders(now=later)
    else:
        apply_payment(make_gateway_payment(payment))
    attempt = apply_payment(make_gateway_payment(payment), now=later)
    assert attempt.review_closed_at == later

    approvals.cancel_refund(refund_id=Refund.objects.get().pk, actor=BALA, now=later)

    attempt.refresh_from_db()
    assert (attempt.review_opened_at, attempt.review_closed_at) == (later, None)
    again = payment_reviews.refund_reviewed_attempt(attempt_id=attempt.pk, actor=ASHA, now=later)
    assert again.amount == attempt.amount
    apply_refund(again)
    attempt.refresh_from_db()
    assert attempt.review_closed_at is not None


@pytest.mark.parametrize("why", ["paid twice", "late", "late, and in stock again"])
def test_surplus_money_whose_refund_is_given_up_is_not_refunded_by_a_repeated_report(
    order: Any, why: str, settings: Any
) -> None:
    settings.LATE_PAYMENT_POLICY = "refund"
    payment, later = make_payment(order), order.expires_at + timedelta(hours=1)
    if why == "paid twice":
        apply_payment(make_gateway_payment(payment))
    else:
        expire_orders(now=later)
    facts = make_gateway_payment(payment)
    apply_payment(facts, now=later)
    given_up = approvals.cancel_refund(refund_id=Refund.objects.get().pk, actor=BALA, now=later)
    order.refresh_from_db()
    if why == "late, and in stock again":
        settings.LATE_PAYMENT_POLICY = "revive"

    attempt = apply_payment(facts, now=later + timedelta(days=3))

    assert (attempt.review_opened_at, attempt.review_closed_at) == (later, None)
    assert list(Refund.objects.all()) == [given_up]
    assert Order.objects.get().status == order.status == ("confirmed" if why == "paid twice" else "expired")


def test_a_retry_that_is_given_up_leaves_its_failed_refund_and_opens_no_review(order: Any) -> None:
    payment = make_payment(order)
    apply_payment(make_gateway_payment(payment))
    attempt = apply_payment(make_gateway_payment(payment))
    failed = apply_refund(Refund.objects.get(), status="failed")
    retry = requests.retry_refund(refund_id=failed.pk, actor=ASHA, now=clock.now())

    approvals.cancel_refund(refund_id=retry.pk, actor=BALA, now=clock.now())

    attempt.refresh_from_db()
    assert attempt.review_closed_at is not None


def test_payment_of_another_amount_is_reviewed(order: Any) -> None:
    payment = make_payment(order)
    attempt = apply_payment(make_gateway_payment(payment, amount=payment.amount + 1))
    assert (attempt.review_reason, attempt.review_closed_at, Refund.objects.count()) == ("amount_mismatch", None, 0)
    with pytest.raises(amounts.NothingToRefund):
        request_refund(order)
    assert request_refund(order, payment_id=payment.pk, reason="amount_mismatch").amount == attempt.amount


def test_refund_records_its_events(order: Any) -> None:
    pay(order)
    refund = request_refund(order, actor=DEEPA)
    approvals.approve_refund(refund_id=refund.pk, actor=BALA, now=clock.now())
    apply_refund_update(refund, "pending")
    apply_refund_update(refund)
    told = Event.objects.filter(subject_id=refund.pk).order_by("version")
    assert [event.type.split(".")[-1] for event in told] == ["requested", "approved", "submitted", "processed"]
    assert {event.root_id for event in told} == {order.pk}
