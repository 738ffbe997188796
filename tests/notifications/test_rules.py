"""What may be sent, when it is tried again, and the texts that are registered."""

import hashlib
from datetime import date, timedelta
from pathlib import Path

import pytest

from apps.notifications import rules
from apps.notifications.states import Channel
from tests.factories.notifications import NOON

TEXTS = Path(__file__).resolve().parents[2] / "templates" / "sms" / "notifications"

#: A registered text may not change. If you change one: raise its `sms_version`, register it on the DLT platform, put its new
#: id into MSG91_FLOW_TEMPLATE_IDS, and note its hash here.
REGISTERED = {
    ("order_cancelled", 1): "ab2bfecc2756fff4",
    ("order_confirmed", 2): "0e9596d47da5aec2",
    ("order_expired", 2): "bb97fbd7bfb88b97",
    ("password_changed", 1): "a00624225ca621c4",
    ("payment_failed", 1): "9e53a08da0f82090",
    ("payment_succeeded_late", 1): "235a13107b3b9452",
    ("payment_link_created", 1): "90dba755a4cff71c",
    ("refund_initiated", 1): "7b58f0f8619330b9",
    ("refund_processed", 1): "41bbe636827245c2",
    ("refund_failed", 1): "f22420f18e338f62",
    ("duplicate_payment", 1): "b076bcffb33b94d8",
    ("shipment_dispatched", 1): "bdf86c3ad82e19e0",
    ("shipment_delivered", 1): "d589432e555a8b24",
}

BY_SMS = [message for message in rules.MESSAGE_TEMPLATES.values() if Channel.SMS in message.channels]


def test_no_registered_text_was_changed() -> None:
    hashes = {
        (message.name, message.sms_version): hashlib.sha256((TEXTS / f"{message.name}.txt").read_bytes()).hexdigest()[
            :16
        ]
        for message in BY_SMS
    }

    assert hashes == REGISTERED


@pytest.mark.parametrize("message", BY_SMS, ids=lambda message: message.name)
def test_a_registered_text_has_exactly_the_variables_of_the_manifest(message: rules.MessageTemplate) -> None:
    text = (TEXTS / f"{message.name}.txt").read_text()

    assert sorted(rules.placeholders(text)) == sorted(message.sms_variables)


@pytest.mark.parametrize("message", BY_SMS, ids=lambda message: message.name)
def test_an_sms_is_plain_gsm_text_of_at_most_two_parts(message: rules.MessageTemplate) -> None:
    text = (TEXTS / f"{message.name}.txt").read_text().strip()
    usual = rules.fill(text, dict.fromkeys(message.sms_variables, "x" * 15))

    assert text.isascii()
    assert len(usual) <= 306


def test_a_new_version_of_a_text_has_a_name_of_its_own() -> None:
    assert rules.MessageTemplate("order_confirmed", ()).sms_template_name == "order_confirmed"
    assert rules.MessageTemplate("order_confirmed", (), sms_version=2).sms_template_name == "order_confirmed_v2"


def test_a_variable_is_cut_to_thirty_characters_on_one_line() -> None:
    message = rules.MessageTemplate("any", (Channel.SMS,), {"NAME": "name"})

    assert rules.sms_variables(message, {"name": "A\nvery\u202e long name that goes on and on"}) == {
        "NAME": "A very  long name that goes on"
    }


@pytest.mark.parametrize(
    ("phone", "expected"),
    [
        ("+919876543210", True),
        ("+916000000000", True),
        ("+915876543210", False),
        ("+14155552671", False),
        ("", False),
        (None, False),
    ],
)
def test_only_indian_mobiles_get_sms(phone: str | None, expected: bool) -> None:
    assert rules.may_get_sms(phone) is expected


def test_fill_refuses_a_text_with_a_variable_that_it_was_not_given() -> None:
    with pytest.raises(KeyError):
        rules.fill("Order ##NUMBER##", {})


def test_the_message_id_is_in_the_senders_domain() -> None:
    assert rules.message_id("ntf_1", "Bahi <no-reply@shop.example>") == "<ntf_1@shop.example>"
    assert rules.message_id("ntf_1", "no-reply@shop.example") == "<ntf_1@shop.example>"


def test_attempts_are_further_and_further_apart_and_then_end() -> None:
    waits = [rules.next_attempt_at(attempts=number, now=NOON) for number in range(1, rules.MAX_ATTEMPTS + 1)]

    assert waits == [NOON + wait for wait in rules.RETRY_DELAYS] + [None]
    assert list(rules.RETRY_DELAYS) == sorted(rules.RETRY_DELAYS)


@pytest.mark.parametrize(
    ("is_waiting", "is_claimed", "attempts", "due_in", "lease_ends_in", "expected"),
    [
        (True, False, 0, 60, None, True),
        (True, False, 1, 60, None, False),
        (True, False, 1, 0, None, True),
        (False, True, 1, None, 1, False),
        (False, True, 1, None, 0, True),
        (False, False, 1, None, None, False),
    ],
    ids=["new", "not due", "due", "in another's hands", "of a dead sender", "done"],
)
def test_who_may_claim(
    is_waiting: bool, is_claimed: bool, attempts: int, due_in: int | None, lease_ends_in: int | None, expected: bool
) -> None:
    assert (
        rules.may_claim(
            is_waiting=is_waiting,
            is_claimed=is_claimed,
            attempts=attempts,
            next_attempt_at=None if due_in is None else NOON + timedelta(seconds=due_in),
            claimed_until=None if lease_ends_in is None else NOON + timedelta(seconds=lease_ends_in),
            now=NOON,
        )
        is expected
    )


def test_an_in_app_text_is_its_title_and_its_body() -> None:
    assert rules.title_and_body("  Title\nBody one.\nBody two.\n") == ("Title", "Body one.\nBody two.")


@pytest.mark.parametrize(
    ("day", "count", "expected"),
    [
        (date(2026, 11, 20), 1, date(2026, 11, 23)),  # Friday, then Monday
        (date(2026, 11, 21), 1, date(2026, 11, 23)),  # Saturday
        (date(2026, 11, 23), 7, date(2026, 12, 2)),
        (date(2026, 11, 23), 0, date(2026, 11, 23)),
    ],
)
def test_weekends_are_no_working_days(day: date, count: int, expected: date) -> None:
    assert rules.working_days_after(day, count) == expected
