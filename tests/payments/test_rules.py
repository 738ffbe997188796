"""The pure decisions about payments."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from apps.core.states import InvalidTransition
from apps.payments import rules, states
from apps.payments.states import LIVE, SUCCESSFUL, AttemptStatus, PaymentStatus, RefundStatus, ReviewReason

NOW = datetime(2026, 11, 21, 6, 30, tzinfo=UTC)
A, P = AttemptStatus, PaymentStatus


@pytest.mark.parametrize(
    ("current", "attempts", "closed", "expected"),
    [
        (P.REQUIRES_PAYMENT, [], False, P.REQUIRES_PAYMENT),
        (P.REQUIRES_PAYMENT, [(A.CREATED, "")], False, P.PROCESSING),
        (P.PROCESSING, [(A.FAILED, "")], False, P.REQUIRES_PAYMENT),
        (P.PROCESSING, [(A.FAILED, ""), (A.CREATED, "")], False, P.PROCESSING),
        (P.REQUIRES_PAYMENT, [(A.FAILED, ""), (A.AUTHORIZED, "")], False, P.REQUIRES_CAPTURE),
        (P.REQUIRES_CAPTURE, [(A.AUTO_REFUNDED, "")], False, P.REQUIRES_PAYMENT),
        (P.PROCESSING, [(A.CAPTURED, "")], False, P.SUCCEEDED),
        (P.PROCESSING, [(A.CAPTURED, ReviewReason.PAID_TWICE)], False, P.SUCCEEDED),
        (P.PROCESSING, [(A.CAPTURED, ReviewReason.ORDER_CLOSED)], True, P.SUCCEEDED_LATE),
        (P.CANCELLED, [(A.CAPTURED, "")], False, P.SUCCEEDED_LATE),
        (P.EXPIRED, [(A.CAPTURED, ReviewReason.ORDER_CLOSED)], True, P.SUCCEEDED_LATE),
        (P.EXPIRED, [(A.AUTHORIZED, "")], False, P.EXPIRED),
        (P.CANCELLED, [(A.FAILED, "")], False, P.CANCELLED),
        (P.REQUIRES_PAYMENT, [(A.CAPTURED, ReviewReason.AMOUNT_MISMATCH)], False, P.REQUIRES_PAYMENT),
        (P.SUCCEEDED, [(A.CAPTURED, "")], True, P.SUCCEEDED),
        (P.SUCCEEDED_LATE, [(A.CAPTURED, "")], False, P.SUCCEEDED_LATE),
    ],
)
def test_a_payment_follows_its_attempts(
    current: str, attempts: list[tuple[str, str]], closed: bool, expected: str
) -> None:
    assert rules.derive_payment_status(current, attempts, is_order_closed=closed) == expected


def test_every_state_that_follows_is_in_the_table() -> None:
    for current in PaymentStatus:
        for attempts in ([], *([(status, "")] for status in AttemptStatus)):
            for closed in (False, True):
                to = PaymentStatus(rules.derive_payment_status(current, attempts, is_order_closed=closed))
                if to != current:
                    assert states.transition(current, to=to) == to


@pytest.mark.parametrize("final", SUCCESSFUL)
def test_a_payment_that_has_succeeded_stays_so(final: PaymentStatus) -> None:
    for to in PaymentStatus:
        with pytest.raises(InvalidTransition):
            states.transition(final, to=to)


def test_an_attempts_rank_only_rises_and_a_failed_one_may_still_succeed() -> None:
    assert rules.advances(A.FAILED, A.AUTHORIZED)
    assert rules.advances(A.FAILED, A.CAPTURED)
    assert rules.advances(A.AUTHORIZED, A.CAPTURED)
    assert not rules.advances(A.CAPTURED, A.FAILED)
    assert not rules.advances(A.CAPTURED, A.AUTO_REFUNDED)
    assert not any(rules.advances(status, status) for status in AttemptStatus)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({}, ""),
        ({"amount": 117_899}, ReviewReason.AMOUNT_MISMATCH),
        ({"amount": 117_901}, ReviewReason.AMOUNT_MISMATCH),
        ({"currency": "USD"}, ReviewReason.AMOUNT_MISMATCH),
        ({"is_order_closed": True}, ReviewReason.ORDER_CLOSED),
        ({"paid_before": 117_900}, ReviewReason.PAID_TWICE),
        ({"paid_before": 117_900, "amount": 1}, ReviewReason.AMOUNT_MISMATCH),
    ],
)
def test_money_that_is_not_plainly_right_is_for_staff_to_decide(facts: dict[str, object], expected: str) -> None:
    values: dict[str, object] = {
        "amount": 117_900, "currency": "INR", "asked": 117_900, "asked_currency": "INR",
        "is_order_closed": False, "paid_before": 0, "total": 117_900,
    }  # fmt: skip
    assert rules.review_reason(**{**values, **facts}) == expected  # type: ignore[arg-type]


def _next(
    status: str, checks: int, *, known: bool = True, live_for: timedelta = timedelta(hours=9)
) -> timedelta | None:
    at = rules.next_payment_check(
        status=status, checks=checks, live_until=NOW + live_for, is_known_to_gateway=known, now=NOW
    )
    return None if at is None else at - NOW


@pytest.mark.parametrize("status", LIVE)
def test_live_payment_is_polled_at_growing_intervals_within_the_hour(status: str) -> None:
    waits = [_next(status, checks) for checks in range(50)]
    assert waits[0] == timedelta(seconds=15)
    assert all(wait is not None and wait <= timedelta(hours=1) for wait in waits)
    assert all(earlier <= later for earlier, later in pairwise(waits))  # type: ignore[operator]


def test_live_payment_is_polled_when_it_expires() -> None:
    assert _next(P.PROCESSING, 9, live_for=timedelta(seconds=40)) == timedelta(seconds=40)
    assert _next(P.PROCESSING, 9, live_for=timedelta(seconds=-1)) == timedelta(seconds=300)


def test_closed_payment_is_polled_for_some_days() -> None:
    waits = [_next(P.EXPIRED, checks) for checks in range(10)]
    asked = [wait for wait in waits if wait is not None]
    assert sum(asked, timedelta()) > timedelta(days=3)
    assert waits[len(asked) :] == [None] * (10 - len(asked))
    assert _next(P.CANCELLED, 0, known=False) is None
    assert _next(P.SUCCEEDED, 0) is None


def test_pending_attempt_extends_its_payment() -> None:
    assert rules.extend_live_until(NOW, status=A.CREATED, now=NOW) == NOW + timedelta(minutes=12)
    assert rules.extend_live_until(NOW + timedelta(minutes=15), status=A.CREATED, now=NOW) == NOW + timedelta(
        minutes=15
    )
    assert rules.extend_live_until(NOW, status=A.FAILED, now=NOW) == NOW


@pytest.mark.parametrize(
    ("status", "seconds", "order_open", "expected"),
    [
        (P.REQUIRES_PAYMENT, 1, True, False),
        (P.REQUIRES_PAYMENT, 0, True, True),
        (P.PROCESSING, -1, True, True),
        (P.REQUIRES_CAPTURE, -1, True, False),
        (P.REQUIRES_CAPTURE, -1, False, True),
        (P.SUCCEEDED, -1, False, False),
        (P.CANCELLED, -1, False, False),
    ],
)
def test_a_payment_is_over_when_its_time_is_up_and_no_wanted_money_waits(
    status: str, seconds: int, order_open: bool, expected: bool
) -> None:
    live_until = NOW + timedelta(seconds=seconds)
    assert rules.has_expired(status=status, live_until=live_until, is_order_open=order_open, now=NOW) is expected


def test_buyers_read_our_words_and_never_the_gateways() -> None:
    assert rules.buyer_message({}) == ""
    assert rules.buyer_message({"reason": "incorrect_pin"}) == "The UPI PIN was incorrect. Try again."
    assert "<b>" not in rules.buyer_message({"reason": "<b>", "description": "<b>internal host 10.0.0.7</b>"})


def _next_of_link(status: str, checks: int, *, is_closed: bool = False) -> timedelta | None:
    at = rules.next_payment_check(
        status=status, checks=checks, live_until=NOW + timedelta(days=1), is_known_to_gateway=True, is_by_link=True,
        is_link_closed=is_closed, now=NOW,
    )  # fmt: skip
    return None if at is None else at - NOW


@pytest.mark.parametrize("status", LIVE)
def test_a_live_link_is_looked_at_within_the_hour(status: str) -> None:
    waits = [_next_of_link(status, checks) for checks in range(50)]
    assert (waits[0], waits[-1]) == (timedelta(seconds=30), timedelta(minutes=30))


@pytest.mark.parametrize("status", [P.CANCELLED, P.EXPIRED])
def test_cancelled_link_is_polled_until_it_is_closed_and_then_as_any_payment(status: str) -> None:
    assert [_next_of_link(status, checks) for checks in (0, 99)] == [timedelta(seconds=20), timedelta(minutes=10)]
    assert _next_of_link(status, 99, is_closed=True) is None
    assert _next_of_link(status, 0, is_closed=True) == timedelta(minutes=10)


@pytest.mark.parametrize(
    ("status", "link_status", "is_late", "expected"),
    [
        (P.REQUIRES_PAYMENT, "open", False, None),
        (P.REQUIRES_PAYMENT, "", False, None),
        (P.REQUIRES_PAYMENT, "paid", False, None),
        (P.REQUIRES_PAYMENT, "cancelled", False, P.CANCELLED),
        (P.REQUIRES_PAYMENT, "expired", False, P.EXPIRED),
        (P.PROCESSING, "expired", False, None),
        (P.REQUIRES_CAPTURE, "cancelled", False, None),
        (P.REQUIRES_CAPTURE, "cancelled", True, None),
        (P.PROCESSING, "open", True, P.EXPIRED),
        (P.SUCCEEDED, "cancelled", True, None),
        (P.CANCELLED, "cancelled", True, None),
    ],
)
def test_a_payment_ends_with_its_link_unless_somebody_is_paying(
    status: str, link_status: str, is_late: bool, expected: str | None
) -> None:
    live_until = NOW - timedelta(seconds=1) if is_late else NOW + timedelta(hours=1)
    assert expected == rules.derive_unpaid_end(
        status=status, live_until=live_until, is_order_open=True, link_status=link_status, now=NOW
    )


def test_a_code_lasts_two_hours_at_most() -> None:
    day, hour = timedelta(days=1), timedelta(hours=1)
    lasts = [rules.link_ttl(channel, of) for channel in ("payment_link", "qr_code") for of in (hour, day)]
    assert lasts == [hour, day, hour, 2 * hour]


@pytest.mark.parametrize("is_known", [True, False])
def test_a_refund_can_become_whatever_report_replaces_its_status(is_known: bool) -> None:
    reported = (RefundStatus.PENDING, RefundStatus.FAILED, RefundStatus.PROCESSED)
    moves = [
        (current, to)
        for current in RefundStatus
        for to in reported
        if rules.refund_advances(current, to, is_known_to_gateway=is_known)
    ]

    assert {current for current, to in moves if to == RefundStatus.PROCESSED} == {*RefundStatus} - {
        RefundStatus.PROCESSED
    }
    for current, to in moves:
        assert states.transition_refund(current, to=to) == to


class TestFindContradiction:
    RIGHT = {
        "status": A.CAPTURED,
        "amount": 1,
        "currency": "INR",
        "is_captured": True,
        "account_id": "acc_1",
        "may_be_our_account": True,
        "our_currency": "INR",
    }

    @pytest.mark.parametrize("status", [A.AUTHORIZED, A.AUTO_REFUNDED, A.CAPTURED])
    @pytest.mark.parametrize(
        ("wrong", "reason"),
        [
            ({}, None),
            ({"may_be_our_account": False}, "account_mismatch"),
            ({"currency": ""}, "currency_mismatch"),
            ({"currency": "USD"}, "currency_mismatch"),
            ({"amount": 0}, "contradictory_facts"),
        ],
    )
    def test_of_money_at_the_gateway(self, status: str, wrong: dict[str, Any], reason: str | None) -> None:
        found = rules.find_contradiction(**{**self.RIGHT, "status": status, **wrong})

        assert (found[0] if found else None) == reason

    @pytest.mark.parametrize("status", [A.CREATED, A.FAILED])
    def test_of_no_money_is_only_the_account(self, status: str) -> None:
        facts = {**self.RIGHT, "status": status, "currency": "", "amount": 0}

        assert rules.find_contradiction(**facts) is None
        other = rules.find_contradiction(**{**facts, "may_be_our_account": False})
        assert other is not None
        assert other[0] == "account_mismatch"

    @pytest.mark.parametrize(("status", "is_captured", "found"), [
        (A.CAPTURED, False, True), (A.CAPTURED, None, False), (A.AUTHORIZED, False, False), (A.AUTO_REFUNDED, False, False),
    ])  # fmt: skip
    def test_captured_and_not_captured(self, status: str, is_captured: bool | None, found: bool) -> None:
        facts = {**self.RIGHT, "status": status, "is_captured": is_captured}

        assert (rules.find_contradiction(**facts) is not None) == found


@pytest.mark.parametrize(
    ("reason", "explained"),
    [
        ("payer_fee", [False, False, True]),
        ("surcharge", [False, False, True]),
        ("offer", [True, False, False]),
        ("other", [True, False, True]),
    ],
)
def test_a_reason_explains_a_difference_of_its_sign(reason: str, explained: list[bool]) -> None:
    assert [rules.explains_difference(reason, difference=paise) for paise in (-1, 0, 1)] == explained
