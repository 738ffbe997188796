"""What stands for a failed refund: its retry, as long as that can still move money; otherwise it is the failed one's turn again."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from apps.core import audit, clock
from apps.core.events import SYSTEM
from apps.core.models import Event
from apps.ledger import selectors as ledger
from apps.ledger.models import LedgerTransaction
from apps.payments.admin.refunds import is_retryable
from apps.payments.facts import GatewayRefund
from apps.payments.models import Refund
from apps.payments.selectors import refunds as selectors
from apps.payments.services.refunds import approvals, bank_transfers, gateway_updates, requests
from tests.factories.payments import pay
from tests.support.colleagues import ASHA, BALA, DEEPA
from tests.support.money_invariants import INVARIANTS

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("colleagues")]


@pytest.fixture(autouse=True)
def _everything_holds(db: None) -> Any:
    yield
    found = audit.run(now=clock.now(), only=[one.id for one in INVARIANTS if one.id != "INV-42"])
    assert [(result.invariant.id, result.rows, result.error) for result in found.failing] == []


def apply_status(refund: Refund, status: str) -> Refund:
    facts = GatewayRefund(
        gateway="razorpay", id=f"rfnd_{refund.pk.hex[-14:]}", gateway_payment_id=refund.attempt.gateway_payment_id,
        status=status, amount=refund.amount, currency="INR", our_refund=refund.public_id,
    )  # fmt: skip
    return gateway_updates.apply_gateway_refund(facts=facts, actor=SYSTEM, now=clock.now())


def make_failed(order: Any, amount: int = 10_000) -> Refund:
    """Return a refund of a paid order that failed at the gateway."""
    pay(order)
    (refund,) = requests.request_refund_by_amount(
        order_id=order.pk, amount=amount, reason="customer_request", actor=ASHA, now=clock.now()
    )
    return apply_status(refund, "failed")


def retry(refund: Refund, actor: Any = ASHA) -> Refund:
    return requests.retry_refund(refund_id=refund.pk, actor=actor, now=clock.now())


def make_rejected_retry(failed: Refund) -> Refund:
    waiting = retry(failed, actor=DEEPA)
    return approvals.reject_refund(refund_id=waiting.pk, actor=BALA, reason="not yet", now=clock.now())


def make_cancelled_retry(failed: Refund) -> Refund:
    return approvals.cancel_refund(refund_id=retry(failed).pk, actor=ASHA, now=clock.now())


def make_retry_with_rejected_transfer(failed: Refund) -> Refund:
    again = apply_status(retry(failed), "failed")
    bank_transfers.hold_refund_for_transfer(refund_id=again.pk, actor=BALA, now=clock.now())
    return approvals.reject_refund(refund_id=again.pk, actor=BALA, reason="no account told", now=clock.now())


_ENDS = [make_rejected_retry, make_cancelled_retry, make_retry_with_rejected_transfer]


@pytest.mark.parametrize("end_retry", _ENDS)
class TestCancelledRetry:
    def test_lets_the_failed_refund_be_attempted_again(self, order: Any, end_retry: Any) -> None:
        failed = make_failed(order)
        ended = end_retry(failed)
        assert ended.status == "cancelled"

        again = retry(failed)

        assert (again.retry_of_id, again.amount, again.status) == (failed.pk, 10_000, "pending")
        assert apply_status(again, "processed").status == "processed"
        order.refresh_from_db()
        assert order.refunded_amount == 10_000

    def test_lets_the_failed_refund_be_transferred(self, order: Any, end_retry: Any) -> None:
        failed = make_failed(order)
        end_retry(failed)

        held = bank_transfers.hold_refund_for_transfer(refund_id=failed.pk, actor=BALA, now=clock.now())
        done = bank_transfers.confirm_refund_transfer(
            refund_id=failed.pk, reference="NEFT 7", actor=BALA, now=clock.now()
        )

        assert (held.status, done.status, done.transfer_reference) == ("awaiting_transfer", "processed", "NEFT 7")
        assert (ledger.balance_of("bank"), ledger.balance_of("refunds_payable")) == (-10_000, 0)

    def test_leaves_the_failed_refund_to_staff(self, order: Any, end_retry: Any) -> None:
        failed = make_failed(order)
        retried = retry(failed)
        assert list(selectors.list_refunds_to_retry_or_transfer()) == []
        assert not is_retryable(failed)
        approvals.cancel_refund(refund_id=retried.pk, actor=ASHA, now=clock.now())

        end_retry(failed)

        assert list(selectors.list_refunds_to_retry_or_transfer()) == [failed]
        assert is_retryable(failed)


class TestActiveRetry:
    @pytest.mark.parametrize("status", ["pending", "failed", "processed"])
    def test_keeps_the_failed_refund_from_being_attempted_again(self, order: Any, status: str) -> None:
        failed = make_failed(order)
        again = apply_status(retry(failed), status)
        before = _everything()

        with pytest.raises(requests.RefundAlreadyRetried) as refused:
            retry(failed)
        with pytest.raises(requests.RefundAlreadyRetried):
            bank_transfers.hold_refund_for_transfer(refund_id=failed.pk, actor=BALA, now=clock.now())

        assert (
            str(refused.value)
            == f"Refund {failed.number} was already retried as {again.number}. Continue with refund {again.number}."
        )
        assert _everything() == before

    def test_failed_itself_is_the_one_to_attempt_again(self, order: Any) -> None:
        failed = make_failed(order)
        again = apply_status(retry(failed), "failed")

        third = retry(again)

        assert (third.retry_of_id, third.amount) == (again.pk, 10_000)
        assert list(selectors.list_refunds_to_retry_or_transfer()) == []


class TestFailedRefundProcessedLater:
    def test_cancels_the_second_retry(self, order: Any) -> None:
        failed = make_failed(order)
        make_rejected_retry(failed)
        second = retry(failed)

        apply_status(failed, "processed")

        second.refresh_from_db()
        order.refresh_from_db()
        assert (second.status, order.refunded_amount) == ("cancelled", 10_000)

    def test_leaves_nothing_of_its_retry_where_both_are_more_than_came(self, order: Any) -> None:
        failed = make_failed(order, amount=30_000)
        again = retry(failed)

        apply_status(failed, "processed")

        again.refresh_from_db()
        order.refresh_from_db()
        assert (again.status, Refund.objects.count(), order.refunded_amount) == ("cancelled", 2, 30_000)
        assert ledger.balance_of("refunds_payable") == 0

    def test_cancels_the_retry_of_its_retry(self, order: Any) -> None:
        failed = make_failed(order)
        third = retry(apply_status(retry(failed), "failed"))

        apply_status(failed, "processed")

        third.refresh_from_db()
        assert third.status == "cancelled"

    def test_as_a_cancelled_retry_cancels_the_other_retry(self, order: Any) -> None:
        failed = make_failed(order)
        given_up = make_retry_with_rejected_transfer(failed)
        second = retry(failed)

        apply_status(given_up, "processed")

        second.refresh_from_db()
        order.refresh_from_db()
        assert (second.status, order.refunded_amount) == ("cancelled", 10_000)
        assert ledger.balance_of("refunds_payable") == 0


def test_the_database_refuses_a_second_open_retry(order: Any) -> None:
    failed = make_failed(order)
    first = retry(failed)
    twin = Refund.objects.get(pk=first.pk)
    twin.pk, twin.number, twin.sequence, twin.idempotency_key = None, f"{order.number}-R9", 9, "twin-of-the-first"

    with pytest.raises(IntegrityError, match="one_open_retry_per_refund"), transaction.atomic():
        twin.save(force_insert=True)


def _everything() -> tuple[int, int, int, list[str]]:
    refunds = Refund.objects.order_by("pk").values_list("status", flat=True)
    return Refund.objects.count(), LedgerTransaction.objects.count(), Event.objects.count(), list(refunds)
