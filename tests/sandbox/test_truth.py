"""The totals of the gateway's books: what was captured, what left, and what is still to be settled."""

from __future__ import annotations

from typing import Any

import pytest
import razorpay

from sandbox.server import Sandbox
from tests.support.sandbox import pay

EMPTY = {
    "orders": {},
    "payments": {},
    "refunds": {},
    "disputes": {},
    "captured_amount": 0,
    "fee": 0,
    "tax": 0,
    "refunded_amount": 0,
    "auto_refunded_amount": 0,
    "adjusted_amount": 0,
    "settled_amount": 0,
    "balance": 0,
}


def read_totals(sandbox: Sandbox) -> dict[str, Any]:
    totals: dict[str, Any] = sandbox.control("GET", "/truth")["totals"]
    return totals


def make_order(sdk: razorpay.Client, amount: int, **fields: Any) -> str:
    return str(sdk.order.create({"amount": amount, "currency": "INR", **fields})["id"])


@pytest.fixture
def busy(sdk: razorpay.Client, sandbox: Sandbox) -> Sandbox:
    """
    Two captured payments of ₹1,000 and ₹500, and one of ₹300 that was never captured and went back.

    Of the first, ₹200 are refunded, ₹100 of a failed refund are not, and ₹50 are disputed and deducted.
    """
    first = pay(sandbox, make_order(sdk, 100_000))
    pay(sandbox, make_order(sdk, 50_000))
    manual = {"capture": "manual", "capture_options": {"automatic_expiry_period": 12, "manual_expiry_period": 4_320}}
    uncaptured = pay(sandbox, make_order(sdk, 30_000, payment=manual))
    sandbox.control("POST", f"/payments/{uncaptured}/auto_refund")
    sdk.payment.refund(first, {"amount": 20_000})
    sandbox.control("POST", "/knobs/razorpay", {"refund_outcome": "manual"})
    failed = sdk.payment.refund(first, {"amount": 10_000})["id"]
    sandbox.control("POST", f"/refunds/{failed}/conclude", {"outcome": "failed"})
    sandbox.control("POST", "/disputes", {"payment_id": first, "amount": 5_000, "deduct_at_onset": True})
    sandbox.control("POST", f"/orders/{make_order(sdk, 40_000)}/checkout", {"outcome": "failure"})
    return sandbox


class TestTotals:
    def test_an_account_without_payments_has_zeros(self, sandbox: Sandbox) -> None:
        assert read_totals(sandbox) == EMPTY

    def test_what_was_captured_and_what_left(self, busy: Sandbox) -> None:
        assert read_totals(busy) == {
            "orders": {"paid": 2, "attempted": 2},
            "payments": {"captured": 2, "refunded": 1, "failed": 1},
            "refunds": {"processed": 2, "failed": 1},
            "disputes": {"open": 1},
            "captured_amount": 150_000,
            "fee": 3_540,
            "tax": 540,
            "refunded_amount": 20_000,
            "auto_refunded_amount": 30_000,
            "adjusted_amount": -5_000,
            "settled_amount": 0,
            "balance": 150_000 - 3_540 - 20_000 - 5_000,
        }

    def test_a_settlement_moves_the_balance_to_the_bank(self, busy: Sandbox) -> None:
        before = read_totals(busy)

        busy.control("POST", "/settlements/run")

        after = read_totals(busy)
        assert (after["settled_amount"], after["balance"]) == (before["balance"], 0)
        assert {**after, "settled_amount": 0, "balance": 0} == {**before, "settled_amount": 0, "balance": 0}

    def test_settlements_that_are_made_up_count_for_nothing(self, busy: Sandbox) -> None:
        before = read_totals(busy)

        with pytest.raises(ValueError, match="Expecting value"):  # the answer is CSV
            busy.control("POST", "/settlements/synthesise", {"lines": 10})

        assert len(busy.control("GET", "/truth")["settlements"]) == 1
        assert read_totals(busy) == before
