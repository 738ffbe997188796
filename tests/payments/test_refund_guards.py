"""Ways to have money given back that must not be: twice, alone, or without its credit note."""

from datetime import timedelta
from typing import Any

import pytest

from apps.core import audit, clock
from apps.core.events import SYSTEM, Actor
from apps.invoicing import invariants as invoicing
from apps.ledger import selectors as ledger
from apps.orders.services import expire_orders, update_payment_totals
from apps.payments.models import Payment, Refund
from apps.payments.selectors import refund_sums
from apps.payments.services import payment_reviews
from apps.payments.services.refunds import amounts, approvals, requests, submission
from tests.factories.invoicing import issue_credit_note, issue_invoice
from tests.factories.orders import make_order
from tests.factories.payments import apply_payment, make_dispute, make_gateway_payment, make_payment, pay
from tests.support.colleagues import ASHA, BALA, DEEPA
from tests.support.money_invariants import INVARIANTS
from tests.support.refunds import apply_refund_update, request_refund, sync_refund

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("colleagues")]


def violated(*more: str) -> list[str]:
    asked = [one.id for one in INVARIANTS if one.id != "INV-42"]
    report = audit.run(now=clock.now(), only=[*asked, *more])
    return [result.invariant.id for result in report.failing]


# What nobody knows ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 404])
def test_a_question_that_is_refused_leaves_a_refund_as_unknown_as_it_was(paid: Any, sandbox: Any, status: int) -> None:
    refund = request_refund(paid, amount=40_000)
    sandbox.control("POST", "/faults", {"path": "/v1/payments/*/refund", "method": "POST", "kind": "drop_after_commit"})
    assert sync_refund(refund).status == "unknown"
    question = {"path": "/v1/payments/*/refunds", "method": "GET", "kind": "status", "status": status}
    sandbox.control("POST", "/faults", question)

    assert sync_refund(refund, after=120).status == "unknown"
    assert refund_sums.order_refundable_amount(paid.pk) == paid.total_amount - 40_000

    assert sync_refund(refund, after=600).status == "processed"
    assert len(sandbox.control("GET", "/truth")["refunds"]) == 1


# A second time --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("actor", [BALA, DEEPA])
def test_retry_is_cancelled_when_the_first_refund_was_made_after_all(order: Any, actor: Actor) -> None:
    pay(order)
    failed = request_refund(order, amount=15_000)
    apply_refund_update(failed, "failed")
    again = requests.retry_refund(refund_id=failed.pk, actor=actor, now=clock.now())

    apply_refund_update(failed, "processed")

    again.refresh_from_db()
    assert again.status == "cancelled"
    assert submission.submit_refund(refund_id=again.pk, now=clock.now())
    assert ledger.balance_of("refunds_payable") == 0
    assert refund_sums.order_refundable_amount(order.pk) == order.total_amount - 15_000
    assert violated() == []


def test_retry_that_the_gateway_may_know_is_not_cancelled(order: Any) -> None:
    pay(order)
    failed = request_refund(order, amount=15_000)
    apply_refund_update(failed, "failed")
    again = requests.retry_refund(refund_id=failed.pk, actor=BALA, now=clock.now())
    apply_refund_update(again, "pending")

    apply_refund_update(failed, "processed")

    again.refresh_from_db()
    assert again.status == "pending"
    assert violated() == []


def test_what_was_made_at_the_gateway_meanwhile_is_not_approved_on_top(order: Any) -> None:
    pay(order)
    waiting = request_refund(order, actor=DEEPA)
    foreign = {"id": "rfnd_00000000000777", "our_refund": "", "amount": 5_000}
    apply_refund_update(waiting, "processed", **foreign)

    with pytest.raises(amounts.RefundExceedsPayment):
        approvals.approve_refund(refund_id=waiting.pk, actor=BALA, now=clock.now())

    waiting.refresh_from_db()
    assert (waiting.status, waiting.approved_by) == ("requires_approval", "")
    approvals.reject_refund(refund_id=waiting.pk, actor=BALA, reason="it went back before", now=clock.now())
    assert violated() == []


# Alone ----------------------------------------------------------------------------------------------------------------


def test_the_limit_is_not_passed_by_asking_in_pieces(order: Any, settings: Any) -> None:
    pay(order)
    settings.REFUND_APPROVAL_THRESHOLD_PAISE = 20_000
    first = request_refund(order, amount=15_000)
    second = request_refund(order, amount=15_000)
    assert (first.status, second.status) == ("pending", "requires_approval")

    approvals.approve_refund(refund_id=second.pk, actor=BALA, now=clock.now())
    third = request_refund(order, amount=5_000)
    assert third.status == "pending"


def test_what_failed_counts_for_nothing_against_the_limit(order: Any, settings: Any) -> None:
    pay(order)
    settings.REFUND_APPROVAL_THRESHOLD_PAISE = 20_000
    failed = request_refund(order, amount=15_000)
    apply_refund_update(failed, "failed")
    again = requests.retry_refund(refund_id=failed.pk, actor=ASHA, now=clock.now())
    assert again.status == "pending"


# To the last paisa ----------------------------------------------------------------------------------------------------


def test_a_reason_that_the_asker_gives_spares_no_credit_note(order: Any, owner: Any) -> None:
    pay(order)
    issue_invoice(order_id=order.pk, actor=SYSTEM, now=clock.now())
    buyer = Actor("user", owner.public_id)
    refund = request_refund(order, reason="amount_mismatch", actor=buyer)
    approvals.approve_refund(refund_id=refund.pk, actor=BALA, now=clock.now())
    apply_refund_update(refund)

    note = issue_credit_note(refund_id=refund.pk, actor=SYSTEM, now=clock.now())

    assert note is not None
    assert note.total_amount == order.total_amount
    assert violated(*(one.id for one in invoicing.INVARIANTS if one.id != "INV-35")) == []


# Under dispute --------------------------------------------------------------------------------------------------------


def test_what_the_bank_wants_back_is_not_sent_until_it_has_decided(paid: Any, sandbox: Any) -> None:
    refund = request_refund(paid, amount=15_000)
    dispute = make_dispute(refund.attempt)

    assert sync_refund(refund).status == "pending"
    assert (refund.gateway_call, sandbox.control("GET", "/truth")["refunds"]) == ("pending", [])

    make_dispute(refund.attempt, id=dispute.gateway_dispute_id, status="won")
    assert sync_refund(refund, after=120).status == "processed"


def test_what_the_bank_has_taken_is_not_sent_at_all(paid: Any, sandbox: Any) -> None:
    refund = request_refund(paid, amount=15_000)
    dispute = make_dispute(refund.attempt)
    taken = refund.attempt.amount
    make_dispute(refund.attempt, id=dispute.gateway_dispute_id, status="lost", amount_deducted=taken)

    assert sync_refund(refund).status == "cancelled"
    assert sandbox.control("GET", "/truth")["refunds"] == []
    assert ledger.balance_of("refunds_payable") == 0
    assert violated() == []


# Of one's own ---------------------------------------------------------------------------------------------------------


def test_who_decides_does_not_decide_about_an_own_order(finance: Any, shop: Any, client_of: Any) -> None:
    own = make_order(finance)
    pay(own)

    answer = client_of(finance).post(
        "/api/v1/refunds", {"order_id": own.public_id}, format="json", HTTP_IDEMPOTENCY_KEY="mine-and-mine-alone"
    )

    assert answer.status_code == 202
    assert [refund["status"] for refund in answer.json()["data"]] == ["requires_approval"]


# Late money -----------------------------------------------------------------------------------------------------------


def test_refund_of_reviewed_money_does_not_block_a_paid_order(order: Any) -> None:
    payment = make_payment(order)
    wrong = apply_payment(make_gateway_payment(payment, amount=20_000))
    now = clock.now() + timedelta(hours=3)
    Payment.objects.filter(pk=payment.pk).update(status="expired", next_action={}, next_check_at=None)
    order.refresh_from_db()
    update_payment_totals(order=order, paid_amount=0, payment_live_until=None, actor=SYSTEM, now=now)
    assert expire_orders(now=now) == 0
    apply_refund_update(payment_reviews.refund_reviewed_attempt(attempt_id=wrong.pk, actor=ASHA, now=now))
    assert expire_orders(now=now) == 1

    apply_payment(make_gateway_payment(payment), now=now)

    order.refresh_from_db()
    assert order.status == "confirmed"
    assert Refund.objects.count() == 1
