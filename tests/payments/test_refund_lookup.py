"""A refund is never made twice: what the gateway made although it rejected our call is found and adopted."""

from datetime import timedelta
from typing import Any

import pytest

from apps.core import audit, clock
from apps.core.events import SYSTEM
from apps.ledger import selectors as ledger
from apps.payments.facts import GatewayRefund
from apps.payments.models import PaymentAttempt, Refund
from apps.payments.services import gateway_orders, polling
from apps.payments.services.refunds import bank_transfers, gateway_updates
from apps.payments.services.refunds import requests as refund_requests
from apps.payments.services.refunds import submission as refund_submission
from tests.factories.payments import make_payment
from tests.support.colleagues import ASHA, BALA
from tests.support.money_invariants import INVARIANTS
from tests.support.refunds import request_refunds

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("colleagues")]

LATER = timedelta(minutes=5)


def captured(order: Any) -> PaymentAttempt:
    return PaymentAttempt.objects.get(payment__order=order, status="captured")


def ask(order: Any, amount: int | None = None) -> Refund:
    (refund,) = request_refunds(order_id=order.pk, amount=amount, reason="other", actor=ASHA, now=clock.now())
    return refund


def send(refund: Refund, **later: float) -> Refund:
    refund_submission.submit_refund(refund_id=refund.pk, now=clock.now() + timedelta(**later))
    refund.refresh_from_db()
    return refund


def retry(refund: Refund) -> Refund:
    return refund_requests.retry_refund(refund_id=refund.pk, actor=BALA, now=clock.now())


def reject(sandbox: Any, *, is_made: bool, times: int = 1) -> None:
    """Have the sandbox answer 400 to the next refund, which it makes or not."""
    fault = {"path": "/v1/payments/*/refund", "method": "POST", "kind": "status", "status": 400, "times": times}
    sandbox.control("POST", "/faults", {**fault, "after_commit": is_made})


def at_gateway(sandbox: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = sandbox.control("GET", "/truth")["refunds"]
    return found


def refund_at_dashboard(sandbox: Any, order: Any, amount: int) -> str:
    """Have somebody refund a payment at the gateway's dashboard; no webhook arrives here."""
    import requests

    made = requests.post(
        f"{sandbox.razorpay_url}/v1/payments/{captured(order).gateway_payment_id}/refund",
        json={"amount": amount},
        auth=("rzp_test_BahiSandbox001", "sandbox_key_secret_0123456789"),
        timeout=10,
    ).json()
    return str(made["id"])


def violated() -> list[str]:
    report = audit.run(now=clock.now(), only=[one.id for one in INVARIANTS if one.id != "INV-42"])
    return [result.invariant.id for result in report.failing]


class TestRetryRefund:
    def test_refund_that_was_made_though_rejected_is_adopted(self, paid: Any, sandbox: Any) -> None:
        reject(sandbox, is_made=True)
        failed = send(ask(paid, 5_000))
        assert (failed.status, failed.gateway_refund_id) == ("failed", None)

        again = send(retry(failed))

        (made,) = at_gateway(sandbox)
        assert (again.status, again.gateway_refund_id) == ("processed", made["id"])
        failed.refresh_from_db()
        paid.refresh_from_db()
        assert (failed.status, paid.refunded_amount) == ("failed", 5_000)
        assert ledger.balance_of("refunds_payable") == 0
        assert violated() == []

    def test_its_webhook_belongs_to_the_refund_that_adopted_it(self, paid: Any, sandbox: Any) -> None:
        reject(sandbox, is_made=True)
        failed = send(ask(paid, 5_000))
        again = send(retry(failed))
        facts = GatewayRefund(
            gateway="razorpay", id=again.gateway_refund_id or "", status="processed", amount=5_000, currency="INR",
            gateway_payment_id=captured(paid).gateway_payment_id, our_refund=failed.public_id,
        )  # fmt: skip

        gateway_updates.apply_gateway_refund(facts=facts, actor=SYSTEM, now=clock.now())

        failed.refresh_from_db()
        assert failed.status == "failed"
        assert ledger.balance_of("gateway_receivable:razorpay") == paid.total_amount - 5_000
        assert violated() == []

    def test_refund_that_was_not_made_is_made(self, paid: Any, sandbox: Any) -> None:
        reject(sandbox, is_made=False)
        failed = send(ask(paid, 5_000))

        again = send(retry(failed))

        (made,) = at_gateway(sandbox)
        assert (again.status, again.gateway_refund_id) == ("processed", made["id"])
        assert violated() == []

    def test_unexplained_refund_of_the_same_amount_is_adopted(self, paid: Any, sandbox: Any) -> None:
        reject(sandbox, is_made=False)
        failed = send(ask(paid, 5_000))
        by_hand = refund_at_dashboard(sandbox, paid, 5_000)

        again = send(retry(failed))

        assert (again.status, again.gateway_refund_id) == ("processed", by_hand)
        assert len(at_gateway(sandbox)) == 1

    def test_unexplained_refund_in_the_payers_currency_is_adopted(self, order: Any, sandbox: Any) -> None:
        payment = make_payment(order, is_ready=False)
        gateway_orders.create_gateway_order(payment_id=payment.pk, now=clock.now())
        payment.refresh_from_db()
        charged = {"outcome": "success", "payer_currency": "USD", "payer_amount": 1_200}
        sandbox.control("POST", f"/orders/{payment.gateway_order_id}/checkout", charged)
        polling.sync_payment(payment_id=payment.pk, now=clock.now())
        order.refresh_from_db()
        reject(sandbox, is_made=False)
        failed = send(ask(order, 24_950))
        by_hand = refund_at_dashboard(sandbox, order, 600)

        again = send(retry(failed))

        assert (again.status, again.gateway_refund_id, again.amount) == ("processed", by_hand, 24_950)
        assert len(at_gateway(sandbox)) == 1
        assert violated() == []

    def test_unexplained_refund_of_another_amount_is_not(self, paid: Any, sandbox: Any) -> None:
        reject(sandbox, is_made=False)
        failed = send(ask(paid, 5_000))
        refund_at_dashboard(sandbox, paid, 4_000)

        send(retry(failed))

        assert sorted(one["amount"] for one in at_gateway(sandbox)) == [4_000, 5_000]

    def test_refund_that_explains_another_row_is_not_adopted(self, paid: Any, sandbox: Any) -> None:
        other = send(ask(paid, 5_000))
        reject(sandbox, is_made=False)
        failed = send(ask(paid, 5_000))

        again = send(retry(failed))

        assert again.gateway_refund_id not in (None, other.gateway_refund_id)
        assert len(at_gateway(sandbox)) == 2
        assert violated() == []

    def test_gateway_that_does_not_answer_the_question_is_not_asked_for_a_refund(self, paid: Any, sandbox: Any) -> None:
        reject(sandbox, is_made=True)
        failed = send(ask(paid, 5_000))
        again = retry(failed)
        fault = {"path": "/v1/payments/*/refunds", "method": "GET", "kind": "status", "status": 500, "times": 3}
        sandbox.control("POST", "/faults", fault)

        assert send(again).status == "unknown"
        assert len(at_gateway(sandbox)) == 1
        assert send(again, minutes=10).status == "processed"
        assert len(at_gateway(sandbox)) == 1

    def test_retry_is_cancelled_if_the_first_refund_has_become_known_meanwhile(
        self, paid: Any, sandbox: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        reject(sandbox, is_made=True)
        failed = send(ask(paid, 5_000))
        again = retry(failed)
        (made,) = at_gateway(sandbox)
        facts = GatewayRefund(
            gateway="razorpay", id=made["id"], status="processed", amount=5_000, currency="INR",
            gateway_payment_id=captured(paid).gateway_payment_id, our_refund=failed.public_id,
        )  # fmt: skip
        from apps.payments.services.refunds import submission

        real = submission._create

        def with_a_webhook_in_between(*args: Any) -> GatewayRefund:
            gateway_updates.apply_gateway_refund(facts=facts, actor=SYSTEM, now=clock.now())
            return real(*args)

        monkeypatch.setattr(submission, "_create", with_a_webhook_in_between)

        assert send(again).status == "cancelled"

        failed.refresh_from_db()
        assert (failed.status, failed.gateway_refund_id) == ("processed", made["id"])
        assert len(at_gateway(sandbox)) == 1
        assert ledger.balance_of("refunds_payable") == 0
        assert violated() == []


class TestAnotherRequest:
    def test_new_request_for_the_same_amount_adopts_what_was_made_though_rejected(
        self, paid: Any, sandbox: Any
    ) -> None:
        reject(sandbox, is_made=True)
        send(ask(paid, 5_000))

        asked_anew = send(ask(paid, 5_000))

        (made,) = at_gateway(sandbox)
        assert (asked_anew.status, asked_anew.gateway_refund_id) == ("processed", made["id"])

    def test_request_without_a_rejected_one_asks_no_question(self, paid: Any, sandbox: Any) -> None:
        send(ask(paid, 5_000))
        send(ask(paid, 5_000))

        calls = sandbox.control("GET", "/journal", service="razorpay", direction="in")["items"]
        assert [call for call in calls if call["method"] == "GET" and call["path"].endswith("/refunds")] == []
        assert len(at_gateway(sandbox)) == 2


class TestSearchForRejectedRefund:
    def test_refund_that_was_made_is_found_without_a_webhook(self, paid: Any, sandbox: Any) -> None:
        reject(sandbox, is_made=True)
        failed = send(ask(paid, 5_000))
        assert failed.next_check_at is not None

        refund_submission.poll_open_refunds(now=clock.now() + timedelta(minutes=11))

        failed.refresh_from_db()
        (made,) = at_gateway(sandbox)
        assert (failed.status, failed.gateway_refund_id) == ("processed", made["id"])
        assert violated() == []

    def test_refund_that_is_under_way_there_is_under_way_here(self, paid: Any, sandbox: Any) -> None:
        sandbox.control("POST", "/knobs/razorpay", {"refund_outcome": "manual"})
        reject(sandbox, is_made=True)
        failed = send(ask(paid, 5_000))

        refund_submission.poll_open_refunds(now=clock.now() + timedelta(minutes=11))

        failed.refresh_from_db()
        assert failed.status == "pending"
        assert ledger.balance_of("refunds_payable") == -5_000
        assert violated() == []

    def test_question_is_put_three_times_in_a_day_and_no_more(self, paid: Any, sandbox: Any) -> None:
        reject(sandbox, is_made=False)
        failed = send(ask(paid, 5_000))
        asked, at = [], clock.now()
        while failed.next_check_at is not None:
            asked.append(round((failed.next_check_at - at).total_seconds() / 60))
            at = failed.next_check_at
            refund_submission.poll_open_refunds(now=at)
            failed.refresh_from_db()

        assert (failed.status, asked) == ("failed", [10, 60, 1_440])

    def test_transfer_that_waits_gives_way_to_what_the_gateway_made(self, paid: Any, sandbox: Any) -> None:
        reject(sandbox, is_made=True)
        failed = send(ask(paid, 5_000))
        bank_transfers.hold_refund_for_transfer(refund_id=failed.pk, actor=BALA, now=clock.now())

        refund_submission.poll_open_refunds(now=clock.now() + timedelta(minutes=11))

        failed.refresh_from_db()
        assert (failed.status, failed.transfer_reference) == ("processed", "")
        assert violated() == []


def test_refund_is_found_among_hundreds(paid: Any, sandbox: Any) -> None:
    reject(sandbox, is_made=True)
    failed = send(ask(paid, 5_000))
    rows = sandbox.world.razorpay.refunds
    (one,) = rows.values()
    for number in range(250):
        copy = type(one)(**{**vars(one), "id": f"rfnd_{number:014d}", "notes": {}, "receipt": None, "amount": 100})
        rows[copy.id] = copy

    again = send(retry(failed))

    assert again.gateway_refund_id == one.id
