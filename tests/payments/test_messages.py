"""Failures and ways to pay in words, for staff."""

import pytest

from apps.payments.messages import failure_text, method_text


@pytest.mark.parametrize(
    ("error", "text"),
    [
        ({}, ""),
        ({"reason": "payment_cancelled", "description": "anything"}, "The payer cancelled the payment."),
        ({"reason": "new_reason", "description": "The bank is closed"}, "The bank is closed."),
        ({"reason": "new_reason", "description": "Is it closed?"}, "Is it closed?"),
        ({"reason": "some_new_reason"}, "The gateway gave the reason “some new reason”."),
        ({"code": "BAD_REQUEST_ERROR"}, "The gateway gave the reason “bad request error”."),
    ],
)
def test_a_failure_is_a_sentence(error: dict[str, str], text: str) -> None:
    assert failure_text(error) == text


@pytest.mark.parametrize(
    ("method", "payer", "text"),
    [
        ("upi", "ga***@upi", "UPI, ga***@upi"),
        ("netbanking", "", "net banking"),
        ("card", "1111", "card, 1111"),
        ("new_way", "", "new way"),
        ("", "", "method not reported"),
    ],
)
def test_a_way_to_pay_is_named_as_people_do(method: str, payer: str, text: str) -> None:
    assert method_text(method, payer) == text
