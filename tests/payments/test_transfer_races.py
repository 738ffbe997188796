"""One bank reference entered for the refunds of two customers at the same moment. With its control."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from apps.core import audit, clock
from apps.payments.facts import GatewayError
from apps.payments.models import Refund
from apps.payments.services.refunds import bank_transfers
from apps.payments.services.refunds.gateway_updates import mark_refund_failed
from tests.factories.accounts import make_user
from tests.factories.catalog import make_registration
from tests.factories.orders import make_order
from tests.factories.payments import make_refund, pay
from tests.support.colleagues import BALA
from tests.support.lock_controls import without_lock
from tests.support.threads import run_together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race, pytest.mark.usefixtures("colleagues")]


@pytest.fixture
def refunds(reference_data: None) -> list[Refund]:
    """The failed refunds of two customers, approved for a bank transfer."""
    make_registration()
    made = []
    for customer in (make_user(), make_user()):
        order = make_order(customer)
        pay(order)
        made.append(make_refund(order, is_approved=True))
        mark_refund_failed(refund=made[-1], error=GatewayError(), now=clock.now())
    return made


def confirm(refund: Refund) -> Callable[[], Any]:
    return lambda: bank_transfers.confirm_refund_transfer(
        refund_id=refund.pk, reference="UTR 1", actor=BALA, now=clock.now()
    )


def is_shared() -> bool:
    return bool(audit.run(now=clock.now(), only=["INV-20g"]).failing)


def test_one_reference_pays_one_of_two_customers(refunds: list[Refund]) -> None:
    results = run_together(*(confirm(refund) for refund in refunds))

    assert sorted(type(result).__name__ for result in results) == ["Refund", "TransferReferenceInUse"]
    assert list(Refund.objects.order_by("status").values_list("status", flat=True)) == ["failed", "processed"]
    assert not is_shared()


def test_control_without_the_lock_it_pays_both(refunds: list[Refund], monkeypatch: pytest.MonkeyPatch) -> None:
    both_have_looked, real = threading.Barrier(2), bank_transfers.selectors.find_refund_of_other_customer

    def look_and_wait(*args: Any, **values: Any) -> Refund | None:
        found = real(*args, **values)
        both_have_looked.wait(60)
        return found

    monkeypatch.setattr(bank_transfers.selectors, "find_refund_of_other_customer", look_and_wait)

    with without_lock("apps.payments.locks.lock_transfer_references"):
        results = run_together(*(confirm(refund) for refund in refunds))

    assert [type(result).__name__ for result in results] == ["Refund", "Refund"]
    assert is_shared()
