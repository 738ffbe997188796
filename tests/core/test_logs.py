"""Logs: one JSON object a line, in which nothing personal and no secret is left."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core import logs
from apps.core.logs import redact, redact_event


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("call +919876543210 now", "call [phone] now"),
        ("9876543210", "[phone]"),
        ("098765 43210", "[phone]"),
        ("write to asha.rao+x@shop.example.in!", "write to [email]!"),
        ("Bearer abc.def-ghi", "Bearer [token]"),
        ("paid by asha.rao@okicici", "paid by [vpa]"),
        ("Authorization: Basic cnpwX3Rlc3Q6c2VjcmV0", "Authorization: Basic [token]"),
        (
            "redis://:hunter2@cache/0 and postgres://bahi:hunter2@db/bahi",
            "redis://:[secret]@cache/0 and postgres://bahi:[secret]@db/bahi",
        ),
        ("/api/v1/gst/gstin/27AAPFU0939F1ZV", "/api/v1/gst/gstin/[gstin]"),
        ("of 27aapfu0939f1zv.", "of [gstin]."),
        ("got eyJhbGciOiJI.eyJzdWIiOiIx.c2ln", "got [token]"),
        ("order ORD-2627-000123 of 117900 paise", "order ORD-2627-000123 of 117900 paise"),
        ("pay_01jf3z8k4q9876543210000000", "pay_01jf3z8k4q9876543210000000"),
    ],
)
def test_personal_data_is_masked_in_any_text(text: str, expected: str) -> None:
    assert redact(text) == expected


def test_values_of_secret_keys_are_dropped_at_any_depth() -> None:
    event = {
        "event": "sent",
        "otp": "123456",
        "body": {"Authorization": "x", "list": [{"password": "y", "n": 1}]},
        "code": "",
    }

    assert redact_event(None, "info", event) == {
        "event": "sent",
        "otp": "[redacted]",
        "body": {"Authorization": "[redacted]", "list": [{"password": "[redacted]", "n": 1}]},
        "code": "",
    }


@pytest.mark.parametrize("key", ["new_password", "X-Razorpay-Signature", "client_secret", "api_key", "Set-Cookie"])
def test_a_key_that_ends_in_a_secret_word_is_secret(key: str) -> None:
    assert redact_event(None, "info", {key: "x"}) == {key: "[redacted]"}


@pytest.mark.parametrize("key", ["status_code", "otp_challenge", "event", "tokens_made"])
def test_other_keys_are_not(key: str) -> None:
    assert redact_event(None, "info", {key: "x"}) == {key: "x"}


@pytest.mark.parametrize(
    "value", [b"+919876543210", ValueError("for 9876543210"), {"9876543210"}, {"9876543210": 1}, [("a", "9876543210")]]
)
def test_what_the_renderer_would_write_out_is_masked_too(value: object) -> None:
    assert "98765" not in repr(redact(value))


def test_a_value_that_is_no_text_is_left_alone() -> None:
    assert redact(42) == 42
    assert redact(None) is None


@given(
    st.lists(
        st.one_of(
            st.sampled_from(
                [
                    "+91", "98765 43210", "98765-43210", "9876543210", "९८७६५", "6", "asha", "@", "mail", ".example", "eyJ", "abcde.f",
                    "Bearer ", "BASIC ", "dXNlcjpwYXNz", "://", ":pw", "27", "AAPFU", "0939", "F", "1ZV", " ", "-", "\n", "/",
                ]
            ),
            st.text(max_size=3),
        ),
        max_size=9,
    ).map("".join)
)  # fmt: skip
def test_the_first_search_misses_nothing_that_a_pattern_fits(text: str) -> None:
    expected = text
    for pattern, mask in logs._PATTERNS:
        expected = pattern.sub(mask, expected)

    assert logs.redact_text(text) == expected


@pytest.mark.parametrize("number", [7, 2**70, -1.5, True, None])
def test_a_line_is_json_whatever_number_it_has(number: object) -> None:
    line = logs._render_json(None, "info", {"event": "done", "count": number, "by": {1: "one"}})

    assert json.loads(line) == {"event": "done", "count": number, "by": {"1": "one"}}
