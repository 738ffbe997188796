"""
What we say on which channel, and how long we try.

An SMS in India may only carry a text that is registered on the DLT platform, with variables of at most 30 characters. The
texts stand in `templates/sms/notifications/`; MESSAGES is their manifest: a changed text is a new version, which has to be
registered anew before it is sent. The shop's ids of the registered templates are the setting MSG91_FLOW_TEMPLATES.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from apps.notifications.states import Channel

#: TRAI's limit for one variable of a registered text.
SMS_VARIABLE_LENGTH = 30
#: Longer than the hard time limit of a task, so that a claim outlives only a sender that is dead.
LEASE = timedelta(minutes=2)
#: How long the worker that hears of a new message has it to itself before the sweep looks at it.
GRACE = timedelta(minutes=1)
#: Wait before attempt n+1 after attempt n failed; there are as many attempts as waits, and one.
BACKOFF = (timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10), timedelta(hours=1), timedelta(hours=4))
MAX_ATTEMPTS = len(BACKOFF) + 1
#: The attempts at an SMS that the provider answered with an error of its own: each of them may have gone all the same.
MAX_UNSURE_ATTEMPTS = 3

#: A bank credits a refund of normal speed within 5 to 7 working days of the gateway's word; we promise the later.
#: https://razorpay.com/docs/payments/refunds/
REFUND_WORKING_DAYS = 7
#: So long staff have to decide about a refund that failed, or about money that came twice, before it starts on its way.
CARE_WORKING_DAYS = 3

_INDIAN_MOBILE = re.compile(r"\+91[6-9][0-9]{9}")
_PLACEHOLDER = re.compile(r"##([A-Z0-9_]+)##")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


@dataclass(frozen=True)
class Message:
    """
    One thing that we say: its channels, and the variables of its SMS by the fact that each shows.

    `may_repeat`: its SMS may arrive twice without harm. What names a movement of money may not: a second one reads like a
    second movement. `is_said_once`: what was said of an order in the same words is not said of it again.
    """

    name: str
    channels: tuple[Channel, ...]
    sms_variables: Mapping[str, str] = field(default_factory=dict)
    sms_version: int = 1
    may_repeat: bool = False
    is_said_once: bool = False

    @property
    def sms_template(self) -> str:
        """Return the name under which MSG91_FLOW_TEMPLATES has the registered id of the SMS."""
        return self.name if self.sms_version == 1 else f"{self.name}_v{self.sms_version}"


_EVERYWHERE = (Channel.SMS, Channel.EMAIL, Channel.IN_APP)
_WRITTEN = (Channel.EMAIL, Channel.IN_APP)

MESSAGES: dict[str, Message] = {
    message.name: message
    for message in (
        Message("welcome", (Channel.IN_APP,)),
        Message("email_confirmed", _WRITTEN),
        Message("password_changed", _EVERYWHERE, {"SHOP": "shop", "WHEN": "when"}, may_repeat=True),
        Message("order_placed", (Channel.IN_APP,)),
        Message(
            "order_confirmed",
            _EVERYWHERE,
            {"NUMBER": "number", "AMOUNT": "plain_total", "SHOP": "shop"},
            sms_version=2,
            may_repeat=True,
        ),
        Message("order_cancelled", _EVERYWHERE, {"NUMBER": "number", "SHOP": "shop"}, may_repeat=True),
        Message("order_expired", _EVERYWHERE, {"NUMBER": "number", "SHOP": "shop"}, sms_version=2, may_repeat=True),
        Message(
            "payment_failed",
            (Channel.SMS, Channel.IN_APP),
            {"AMOUNT": "plain_total", "NUMBER": "number", "WHEN": "expires", "SHOP": "shop"},
            is_said_once=True,
        ),
        Message("payment_late", _EVERYWHERE, {"AMOUNT": "plain_paid", "NUMBER": "number", "SHOP": "shop"}),
        Message("payment_refused", (Channel.IN_APP,)),
        Message(
            "payment_link",
            _EVERYWHERE,
            {"AMOUNT": "plain_amount", "NUMBER": "number", "LINK": "link", "WHEN": "until", "SHOP": "shop"},
            may_repeat=True,
        ),
        Message(
            "paid_twice", _EVERYWHERE, {"AMOUNT": "plain_amount", "NUMBER": "number", "WHEN": "due", "SHOP": "shop"}
        ),
        Message("payment_differs", _WRITTEN),
        Message("invoice_ready", _WRITTEN),
        Message("credit_note_ready", _WRITTEN),
        Message("refund_asked", (Channel.IN_APP,)),
        Message(
            "refund_started",
            _EVERYWHERE,
            {"AMOUNT": "plain_amount", "NUMBER": "number", "WHEN": "due", "SHOP": "shop"},
        ),
        Message("refund_in_doubt", (Channel.IN_APP,)),
        Message(
            "refund_processed",
            _EVERYWHERE,
            {"AMOUNT": "plain_amount", "NUMBER": "number", "WHEN": "due", "SHOP": "shop"},
        ),
        Message(
            "refund_failed",
            _EVERYWHERE,
            {"AMOUNT": "plain_amount", "NUMBER": "number", "WHEN": "due", "SHOP": "shop"},
        ),
        Message("refund_cancelled", _WRITTEN),
        Message("dispute_opened", _WRITTEN),
        Message("dispute_decided", _WRITTEN),
        Message("dispute_to_answer", _WRITTEN),
    )
}


def may_get_sms(phone: str | None) -> bool:
    """Test if a number is an Indian mobile number, the only kind that a DLT template may be sent to."""
    return bool(phone and _INDIAN_MOBILE.fullmatch(phone))


def is_cut_in_sms(message: Message, facts: Mapping[str, object]) -> bool:
    """Test if an SMS would lose the end of a web address: better no message than one that leads nowhere."""
    told = (str(facts[fact]) for fact in message.sms_variables.values())
    return any(one.startswith(("https://", "http://")) and len(one) > SMS_VARIABLE_LENGTH for one in told)


def sms_variables(message: Message, facts: Mapping[str, object]) -> dict[str, str]:
    """Return the variables of a message's SMS as DLT allows them: one line, at most 30 characters each."""
    shown = {name: _UNPRINTABLE.sub(" ", str(facts[fact])).strip() for name, fact in message.sms_variables.items()}
    if "WHEN" in shown:
        # The registered texts end an instant with IST themselves.
        shown["WHEN"] = shown["WHEN"].removesuffix(" IST")
    return {name: text[:SMS_VARIABLE_LENGTH] for name, text in shown.items()}


def placeholders(text: str) -> list[str]:
    """Return the names of the variables in a registered text, in order."""
    return _PLACEHOLDER.findall(text)


def fill(text: str, variables: Mapping[str, str]) -> str:
    """
    Return a registered text with its variables put in, as the phone will show it.

    :raises KeyError: if a variable is missing
    """
    return _PLACEHOLDER.sub(lambda match: variables[match[1]], text)


def one_line(text: str, *, limit: int) -> str:
    """Return a text as one line of at most `limit` characters."""
    return " ".join(_UNPRINTABLE.sub(" ", text).split())[:limit]


def title_and_body(text: str) -> tuple[str, str]:
    """Split an in-app message: its first line is the title."""
    title, _, body = text.strip().partition("\n")
    return one_line(title, limit=160), body.strip()


def message_id(public_id: str, sender: str) -> str:
    """Return the Message-ID of an e-mail: the same however often it is sent, in the domain of the sender's address."""
    domain = sender.rpartition("@")[2].rstrip("> ") or "localhost"
    return f"<{public_id}@{domain}>"


def may_claim(
    *,
    is_waiting: bool,
    is_claimed: bool,
    attempts: int,
    next_attempt_at: datetime | None,
    claimed_until: datetime | None,
    now: datetime,
) -> bool:
    """Test if a sender may take a message: it waits and is new or due, or the sender before died with its lease."""
    if is_waiting:
        return attempts == 0 or next_attempt_at is None or next_attempt_at <= now
    return is_claimed and claimed_until is not None and claimed_until <= now


def next_attempt_at(*, attempts: int, now: datetime, most: int = MAX_ATTEMPTS) -> datetime | None:
    """Return when to attempt it again after a count of attempts, or None if these were the `most` that are allowed."""
    return now + BACKOFF[attempts - 1] if attempts < most else None


def working_days_after(day: date, count: int) -> date:
    """
    Return the day that is so many working days after another: Saturdays and Sundays do not count.

    Holidays of banks differ from state to state and are not known here: promise a day later rather than sooner.
    """
    while count:
        day += timedelta(days=1)
        count -= day.weekday() < 5
    return day
