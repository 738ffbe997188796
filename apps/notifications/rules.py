"""
Message templates with their channels, and the limits of attempts to send.

An SMS in India may only carry a text that is registered on the DLT platform, with variables of at most 30 characters.
The texts are in `templates/sms/notifications/`, and MESSAGE_TEMPLATES is their manifest. A changed text is a new
version, which has to be registered again before it is sent. The setting MSG91_FLOW_TEMPLATE_IDS holds the shop's ids
of the registered templates.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from apps.accounts import events as accounts
from apps.fulfilment import events as fulfilment
from apps.invoicing import events as invoicing
from apps.notifications.states import Channel
from apps.orders import events as orders
from apps.payments import events as payments

#: TRAI's limit for one variable of a registered text.
SMS_VARIABLE_LENGTH = 30
#: Longer than the hard time limit of a task, so that a claim outlives only a sender that is dead.
LEASE = timedelta(minutes=2)
#: How long a new message is left to the worker that received its event before the sweep takes it.
SWEEP_DELAY = timedelta(minutes=1)
#: Wait before attempt n+1 after attempt n failed; there are as many attempts as waits, and one.
RETRY_DELAYS = (
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(hours=4),
)
MAX_ATTEMPTS = len(RETRY_DELAYS) + 1
#: The attempts at an SMS that the provider answered with an error of its own: each of them may have been sent all the same.
MAX_PROVIDER_ERROR_ATTEMPTS = 3

#: A bank credits a refund of normal speed within 5 to 7 working days of the gateway's word; we promise the later.
#: https://razorpay.com/docs/payments/refunds/
REFUND_WORKING_DAYS = 7
#: Working days for staff to decide about a refund (approval, failure, unknown result) or a payment under review.
REVIEW_WORKING_DAYS = 3

_INDIAN_MOBILE = re.compile(r"\+91[6-9][0-9]{9}")
_PLACEHOLDER = re.compile(r"##([A-Z0-9_]+)##")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


#: Which messages are created about an event; the handler `notify` is subscribed to each of them.
MESSAGES_OF_EVENT: Mapping[str, tuple[str, ...]] = {
    accounts.USER_SIGNED_UP: ("user_signed_up",),
    accounts.USER_EMAIL_CONFIRMED: ("email_confirmed",),
    accounts.USER_PASSWORD_CHANGED: ("password_changed",),
    orders.ORDER_PLACED: ("order_placed",),
    orders.ORDER_CONFIRMED: ("order_confirmed",),
    orders.ORDER_CANCELLED: ("order_cancelled",),
    orders.ORDER_EXPIRED: ("order_expired",),
    payments.PAYMENT_READY: ("payment_link_created",),
    payments.ATTEMPT_FAILED: ("payment_failed",),
    payments.PAYMENT_SUCCEEDED_LATE: ("payment_succeeded_late",),
    invoicing.INVOICE_RENDERED: ("invoice_ready",),
    invoicing.CREDIT_NOTE_RENDERED: ("credit_note_ready",),
    payments.DISPUTE_OPENED: ("dispute_opened", "dispute_needs_response"),
    payments.DISPUTE_UPDATED: ("dispute_needs_response",),
    payments.DISPUTE_DEADLINE_APPROACHED: ("dispute_needs_response",),
    payments.DISPUTE_RESPONSE_REJECTED: ("dispute_needs_response",),
    payments.DISPUTE_WON: ("dispute_resolved",),
    payments.DISPUTE_LOST: ("dispute_resolved",),
    payments.DISPUTE_CLOSED: ("dispute_resolved",),
    payments.PAYMENT_REJECTED: ("payment_rejected",),
    payments.ATTEMPT_REVIEW_OPENED: ("duplicate_payment", "payment_amount_mismatch"),
    payments.REFUND_REQUESTED: ("refund_requested", "refund_initiated"),
    payments.REFUND_APPROVED: ("refund_initiated",),
    payments.REFUND_UNKNOWN: ("refund_unknown",),
    payments.REFUND_PROCESSED: ("refund_processed",),
    payments.REFUND_FAILED: ("refund_failed",),
    payments.REFUND_CANCELLED: ("refund_cancelled",),
    fulfilment.SHIPMENT_DISPATCHED: ("shipment_dispatched",),
    fulfilment.SHIPMENT_DELIVERED: ("shipment_delivered",),
    fulfilment.SHIPMENT_LOST: ("shipment_not_delivered",),
    fulfilment.SHIPMENT_DAMAGED: ("shipment_not_delivered",),
}

_SATURDAY = 5


@dataclass(frozen=True)
class MessageTemplate:
    """
    One thing that we say: its channels, and the variables of its SMS, each with its key in the context.

    `may_repeat`: its SMS may arrive twice without harm. What names a movement of money may not: a second one reads like a
    second movement. `once_per_order`: what was said of an order in the same words is not said of it again.
    """

    name: str
    channels: tuple[Channel, ...]
    sms_variables: Mapping[str, str] = field(default_factory=dict)
    sms_version: int = 1
    may_repeat: bool = False
    once_per_order: bool = False

    @property
    def sms_template_name(self) -> str:
        """Return the name under which MSG91_FLOW_TEMPLATE_IDS has the registered id of the SMS."""
        return self.name if self.sms_version == 1 else f"{self.name}_v{self.sms_version}"


_ALL_CHANNELS = (Channel.SMS, Channel.EMAIL, Channel.IN_APP)
_EMAIL_AND_IN_APP = (Channel.EMAIL, Channel.IN_APP)

MESSAGE_TEMPLATES: dict[str, MessageTemplate] = {
    message.name: message
    for message in (
        MessageTemplate("user_signed_up", (Channel.IN_APP,)),
        MessageTemplate("email_confirmed", _EMAIL_AND_IN_APP),
        MessageTemplate("password_changed", _ALL_CHANNELS, {"SHOP": "shop", "WHEN": "when"}, may_repeat=True),
        MessageTemplate("order_placed", (Channel.IN_APP,)),
        MessageTemplate(
            "order_confirmed",
            _ALL_CHANNELS,
            {"NUMBER": "number", "AMOUNT": "plain_total", "SHOP": "shop"},
            sms_version=2,
            may_repeat=True,
        ),
        MessageTemplate("order_cancelled", _ALL_CHANNELS, {"NUMBER": "number", "SHOP": "shop"}, may_repeat=True),
        MessageTemplate(
            "order_expired", _ALL_CHANNELS, {"NUMBER": "number", "SHOP": "shop"}, sms_version=2, may_repeat=True
        ),
        MessageTemplate(
            "payment_failed",
            (Channel.SMS, Channel.IN_APP),
            {"AMOUNT": "plain_total", "NUMBER": "number", "WHEN": "expires", "SHOP": "shop"},
            once_per_order=True,
        ),
        MessageTemplate(
            "payment_succeeded_late", _ALL_CHANNELS, {"AMOUNT": "plain_paid", "NUMBER": "number", "SHOP": "shop"}
        ),
        MessageTemplate("payment_rejected", (Channel.IN_APP,)),
        MessageTemplate(
            "payment_link_created",
            _ALL_CHANNELS,
            {"AMOUNT": "plain_amount", "NUMBER": "number", "LINK": "link", "WHEN": "until", "SHOP": "shop"},
            may_repeat=True,
        ),
        MessageTemplate(
            "duplicate_payment",
            _ALL_CHANNELS,
            {"AMOUNT": "plain_amount", "NUMBER": "number", "WHEN": "due", "SHOP": "shop"},
        ),
        MessageTemplate("payment_amount_mismatch", _EMAIL_AND_IN_APP),
        MessageTemplate("invoice_ready", _EMAIL_AND_IN_APP),
        MessageTemplate("credit_note_ready", _EMAIL_AND_IN_APP),
        MessageTemplate("refund_requested", (Channel.IN_APP,)),
        MessageTemplate(
            "refund_initiated",
            _ALL_CHANNELS,
            {"AMOUNT": "plain_amount", "NUMBER": "number", "WHEN": "due", "SHOP": "shop"},
        ),
        MessageTemplate("refund_unknown", (Channel.IN_APP,)),
        MessageTemplate(
            "refund_processed",
            _ALL_CHANNELS,
            {"AMOUNT": "plain_amount", "NUMBER": "number", "WHEN": "due", "SHOP": "shop"},
        ),
        MessageTemplate(
            "refund_failed",
            _ALL_CHANNELS,
            {"AMOUNT": "plain_amount", "NUMBER": "number", "WHEN": "due", "SHOP": "shop"},
        ),
        MessageTemplate("refund_cancelled", _EMAIL_AND_IN_APP),
        MessageTemplate(
            "shipment_dispatched",
            _ALL_CHANNELS,
            {"NUMBER": "number", "CARRIER": "carrier", "TRACKING": "tracking", "SHOP": "shop"},
            may_repeat=True,
        ),
        MessageTemplate("shipment_delivered", _ALL_CHANNELS, {"NUMBER": "number", "SHOP": "shop"}, may_repeat=True),
        MessageTemplate("shipment_not_delivered", _EMAIL_AND_IN_APP),
        MessageTemplate("dispute_opened", _EMAIL_AND_IN_APP),
        MessageTemplate("dispute_resolved", _EMAIL_AND_IN_APP),
        MessageTemplate("dispute_needs_response", _EMAIL_AND_IN_APP),
    )
}


def may_get_sms(phone: str | None) -> bool:
    """Test if a number is an Indian mobile number, the only kind that a DLT template may be sent to."""
    return bool(phone and _INDIAN_MOBILE.fullmatch(phone))


def is_link_truncated(message: MessageTemplate, context: Mapping[str, object]) -> bool:
    """Test if an SMS would lose the end of a web address: better no message than one that leads nowhere."""
    values = (str(context[key]) for key in message.sms_variables.values())
    return any(one.startswith(("https://", "http://")) and len(one) > SMS_VARIABLE_LENGTH for one in values)


def sms_variables(message: MessageTemplate, context: Mapping[str, object]) -> dict[str, str]:
    """Return the variables of a message's SMS as DLT allows them: one line, at most 30 characters each."""
    shown = {name: _UNPRINTABLE.sub(" ", str(context[key])).strip() for name, key in message.sms_variables.items()}
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
    """Test if a sender may take a message: it waits and is new or due, or the lease of a crashed worker has expired."""
    if is_waiting:
        return attempts == 0 or next_attempt_at is None or next_attempt_at <= now
    return is_claimed and claimed_until is not None and claimed_until <= now


def next_attempt_at(*, attempts: int, now: datetime, max_attempts: int = MAX_ATTEMPTS) -> datetime | None:
    """Return when to attempt it again after a count of attempts, or None if these were the `max_attempts` that are allowed."""
    return now + RETRY_DELAYS[attempts - 1] if attempts < max_attempts else None


def working_days_after(day: date, count: int) -> date:
    """
    Return the day that is `count` working days after another; Saturdays and Sundays do not count.

    Bank holidays differ between states and are not known here: promise a day later rather than sooner.
    """
    while count:
        day += timedelta(days=1)
        count -= day.weekday() < _SATURDAY
    return day
