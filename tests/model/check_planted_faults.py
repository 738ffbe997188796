"""Faults of the product that the machine must find: each is planted into it from outside, and found within a few examples."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any
from unittest import mock

import pytest

from apps.catalog import services as catalog
from apps.core.external_calls import GatewayCall
from apps.payments import states
from apps.payments.selectors import refunds as refund_selectors
from apps.payments.services import attempts, late_payments
from apps.payments.services.disputes import gateway_updates as disputes
from apps.payments.services.refunds import requests, submission
from apps.tax.rules import computation
from tests.model import driver, running

patched = mock.patch.object


def wrong_account() -> AbstractContextManager[Any]:
    """A capture is booked as the payer's fee."""
    return patched(attempts, "CUSTOMER_ADVANCES", "payer_fees")


@contextmanager
def doubled_posting() -> Iterator[None]:
    """A refund that falls due is posted twice."""
    post = requests.post_refund_due

    def twice(order: Any, refund: Any, *, kind: str, now: Any) -> None:
        post(order, refund, kind=kind, now=now)
        post(order, refund, kind=f"{kind}_again", now=now)

    with patched(requests, "post_refund_due", twice):
        yield


def forgotten_release() -> AbstractContextManager[Any]:
    """A cancelled or expired order keeps its stock."""
    return patched(catalog, "release_reservations", return_value=[])


def wrong_rounding() -> AbstractContextManager[Any]:
    """Tax is cut off instead of rounded."""
    return patched(computation, "half_up", lambda numerator, denominator: numerator // denominator)


@contextmanager
def lost_event() -> Iterator[None]:
    """Nobody hears that a refund was processed, so that no credit note is issued."""
    chosen = driver.subscriptions

    def without() -> dict[str, Any]:
        return {name: () if name == "payments.refund.processed" else group for name, group in chosen().items()}

    with patched(driver, "subscriptions", without):
        yield


def backward_move() -> AbstractContextManager[Any]:
    """A report that comes late takes a captured attempt back to failed."""
    rank = {**states.ATTEMPT_RANK, "failed": 9}
    return mock.patch.dict("apps.payments.rules.statuses.ATTEMPT_RANK", rank)


def late_money_kept() -> AbstractContextManager[Any]:
    """Money that nothing was sold for is kept."""
    return patched(late_payments, "refund_attempt", return_value=None)


def never_revived() -> AbstractContextManager[Any]:
    """An order that was paid late is refunded although its goods are there."""
    return patched(late_payments, "revive_expired_order", return_value=False)


def split_limit() -> AbstractContextManager[Any]:
    """What one person decided before does not count against the limit."""
    return patched(refund_selectors, "sum_decided_alone", return_value=0)


def unknown_money_free() -> AbstractContextManager[Any]:
    """A refund without an answer leaves its money to be refunded again."""
    statuses = tuple(one for one in states.RESERVING_REFUNDS if one != states.RefundStatus.UNKNOWN)
    reserved = refund_selectors.reserved_amount
    return patched(
        refund_selectors, "reserved_amount", lambda attempt_id, *, only=statuses: reserved(attempt_id, only=only)
    )


@contextmanager
def new_key_each_time() -> Iterator[None]:
    """A refund whose answer was lost is sent again under another key, without looking it up."""
    create = submission._create

    def blindly(gateway: Any, refund: Any) -> Any:
        if refund.gateway_call == GatewayCall.UNKNOWN:
            refund.idempotency_key = f"{refund.idempotency_key}-again"
        with patched(submission, "find_gateway_refund", return_value=None):
            return create(gateway, refund)

    with patched(submission, "_create", blindly):
        yield


def won_dispute_not_returned() -> AbstractContextManager[Any]:
    """What a bank gives back after a won dispute is not booked."""
    return patched(disputes, "_RETURNED", ())


FAULTS: list[Callable[[], AbstractContextManager[Any]]] = [
    wrong_account, doubled_posting, forgotten_release, wrong_rounding, lost_event, backward_move, late_money_kept,
    never_revived, split_limit, unknown_money_free, new_key_each_time, won_dispute_not_returned,
]  # fmt: skip


@pytest.mark.parametrize("plant", FAULTS, ids=lambda plant: plant.__name__)
def test_a_planted_fault_is_found(plant: Callable[[], AbstractContextManager[Any]], db: None) -> None:
    with ExitStack() as stack:
        stack.enter_context(plant())
        failure = stack.enter_context(pytest.raises(AssertionError))

        for seed in range(1, 7):
            running.run(seed)

    assert any("Replay: make model SEED=" in note for note in failure.value.__notes__)
