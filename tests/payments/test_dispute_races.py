"""A dispute that is answered, and whose money is asked back, at the same moment. Each with its control."""

import threading
from collections import Counter
from typing import Any

import pytest

from apps.core import audit, clock
from apps.core.events import SYSTEM, SubjectNotLocked
from apps.core.models import Event
from apps.orders.models import Order
from apps.payments import locks
from apps.payments.models import Dispute, PaymentAttempt, Refund
from apps.payments.services.disputes import gateway_updates, responses
from apps.payments.services.refunds import amounts, requests
from apps.payments.states import Source
from tests.factories.catalog import make_registration
from tests.factories.orders import make_order
from tests.factories.payments import make_dispute, make_gateway_dispute, pay
from tests.support.threads import run_together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race]


@pytest.fixture
def attempt(reference_data: None, owner: Any) -> PaymentAttempt:
    make_registration()
    return pay(make_order(owner))


def accept(dispute: Dispute) -> Any:
    return lambda: responses.accept_dispute(dispute_id=dispute.pk, actor=SYSTEM, now=clock.now())


def contest(dispute: Dispute) -> Any:
    return lambda: responses.contest_dispute(dispute_id=dispute.pk, summary="Ours.", actor=SYSTEM, now=clock.now())


def test_of_many_answers_at_once_one_counts(attempt: PaymentAttempt) -> None:
    dispute = make_dispute(attempt)

    results = run_together(*[accept(dispute), contest(dispute)] * 4)

    assert Counter(type(result) for result in results) == {Dispute: 1, responses.DisputeNotAwaitingResponse: 7}
    dispute.refresh_from_db()
    assert dispute.version == 2
    assert Event.objects.filter(type="payments.dispute.response_requested").count() == 1


def test_control_without_the_locks_both_answers_pass_the_check(
    attempt: PaymentAttempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    dispute = make_dispute(attempt)
    barrier = threading.Barrier(2)
    real = responses.check_awaiting_response

    def meet(*args: Any, **kwargs: Any) -> None:
        real(*args, **kwargs)
        barrier.wait(60)

    monkeypatch.setattr(responses, "lock_order", lambda pk: Order.objects.get(pk=pk))
    monkeypatch.setattr(locks, "lock_dispute", lambda **_: Dispute.objects.get(pk=dispute.pk))
    monkeypatch.setattr(responses, "check_awaiting_response", meet)

    results = run_together(accept(dispute), contest(dispute))

    # Nobody is told that the dispute was answered: only the version keeps the second answer from standing over the first.
    assert {type(result) for result in results} == {Dispute, SubjectNotLocked}


def _open_and_request_refund(attempt: PaymentAttempt) -> tuple[Any, Any]:
    facts = make_gateway_dispute(attempt)

    def request_refund() -> Any:
        return requests.request_full_refund(
            order_id=attempt.payment.order_id, reason="other", actor=SYSTEM, now=clock.now()
        )

    def dispute() -> Any:
        return gateway_updates.apply_gateway_dispute(facts=facts, source=Source.POLL, actor=SYSTEM, now=clock.now())

    return request_refund, dispute


def test_disputed_money_is_not_refunded(attempt: PaymentAttempt) -> None:
    run_together(*_open_and_request_refund(attempt))

    dispute = Dispute.objects.get()
    asked_first = Refund.objects.filter(pk__lt=dispute.pk).count()
    assert Refund.objects.count() == asked_first
    assert audit.run(now=clock.now(), only=["INV-14d", "INV-20f"]).failing == []


def test_control_without_locks_disputed_money_is_refunded(
    attempt: PaymentAttempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    request_refund, dispute = _open_and_request_refund(attempt)
    checked, disputed = threading.Event(), threading.Event()
    real = amounts.check_amount

    def wait_for_the_dispute(*args: Any, **kwargs: Any) -> None:
        real(*args, **kwargs)
        checked.set()
        disputed.wait(60)

    def dispute_in_between() -> Any:
        checked.wait(60)
        made = dispute()
        disputed.set()
        return made

    monkeypatch.setattr(requests, "lock_order", lambda pk: Order.objects.get(pk=pk))
    monkeypatch.setattr(
        locks, "lock_captured_attempts", lambda *_, **__: list(PaymentAttempt.objects.filter(status="captured"))
    )
    monkeypatch.setattr(amounts, "check_amount", wait_for_the_dispute)
    monkeypatch.setattr(requests, "sync_order_totals", lambda **_: None)

    run_together(request_refund, dispute_in_between)

    assert [result.invariant.id for result in audit.run(now=clock.now(), only=["INV-14d"]).failing] == ["INV-14d"]
