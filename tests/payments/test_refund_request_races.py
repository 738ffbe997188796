"""The same refund page submitted twice at the same moment, and two people who refund the same order, each with its control."""

import threading
from typing import Any

import pytest
from django.urls import reverse

from apps.core import clock, idempotency
from apps.payments.models import Refund
from apps.payments.selectors import refund_sums
from apps.payments.services.refunds import previews
from tests.factories.accounts import make_staff
from tests.factories.catalog import make_registration
from tests.factories.orders import actor_for, make_order
from tests.factories.payments import pay
from tests.support.admin_clients import signed_in
from tests.support.lock_controls import without_lock
from tests.support.refund_form import hidden, preview
from tests.support.threads import run_together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race]


@pytest.fixture
def order(reference_data: None, owner: Any) -> Any:
    make_registration()
    made = make_order(owner)
    pay(made)
    return made


def _submit_twice(order: Any) -> list[Any]:
    """Submit one page of a refund of ₹100.00 twice at the same moment."""
    person = make_staff("finance")
    shown = hidden(preview(signed_in(person), order, what="amount", amount="100"))
    url = reverse("admin:orders_order_action", args=[order.pk, "refund"])
    first, second = signed_in(person), signed_in(person)
    return run_together(lambda: first.post(url, shown).status_code, lambda: second.post(url, shown).status_code)


class TestPageSubmittedTwice:
    def test_a_page_submitted_twice_makes_one_refund(self, order: Any) -> None:
        assert _submit_twice(order) == [302, 302]

        assert list(Refund.objects.values_list("amount", flat=True)) == [10_000]

    def test_control_without_the_claim_a_page_submitted_twice_makes_two(
        self, order: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def claim_nothing(**_: Any) -> idempotency.Claim:
            return idempotency.Claim(id=0, user_id=None)

        monkeypatch.setattr(idempotency, "claim", claim_nothing)
        monkeypatch.setattr(idempotency, "store", lambda *_: None)
        monkeypatch.setattr(previews.refund_sums, "order_refundable_amount", lambda _: order.total_amount)

        _submit_twice(order)

        assert list(Refund.objects.values_list("amount", flat=True)) == [10_000, 10_000]


class TestTwoRequesters:
    def _request_both(self, order: Any) -> list[Any]:
        people = [actor_for(make_staff("finance")), actor_for(make_staff("admin"))]

        def request(actor: Any) -> list[Refund]:
            return previews.request_previewed_refund(
                order_id=order.pk, amount=10_000, reason="other", seen_amount=10_000, seen_refundable=order.total_amount,
                actor=actor, now=clock.now(),
            )  # fmt: skip

        return run_together(*[lambda actor=actor: request(actor) for actor in people])

    def test_two_people_refund_an_order_once(self, order: Any) -> None:
        results = self._request_both(order)

        assert sorted(type(result).__name__ for result in results) == ["RefundPreviewOutdated", "list"]
        assert Refund.objects.count() == 1

    def test_control_without_the_lock_two_people_refund_an_order_twice(
        self, order: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        barrier = threading.Barrier(2)
        real = refund_sums.order_refundable_amount

        def meet(order_id: Any) -> int:
            left = real(order_id)
            barrier.wait(60)
            return left

        monkeypatch.setattr(previews.refund_sums, "order_refundable_amount", meet)

        with without_lock("apps.orders.locks.lock_order"):
            results = self._request_both(order)

        assert [type(result) for result in results] == [list, list]
        assert Refund.objects.count() == 2
