"""The sentences that staff read about messages to buyers: which are sent, and why one was not."""

import re
from collections.abc import Sequence

MESSAGE_NOT_SENT = (
    "One message to the buyer was not sent. Check the messages below, and send it again if it is still true."
)
SEVERAL_MESSAGES_NOT_SENT = (
    "Several messages to the buyer were not sent. Check the messages below, and send again those that are still true."
)

_ANSWERED = re.compile(r"(\d{3}): ?(.*)", re.DOTALL)
_RAISED = re.compile(r"([A-Z]\w*(?:Error|Exception|Disconnected|Refused|Timeout|Timed)\w*): ?(.*)", re.DOTALL)


_CHANNELS = {"sms": "SMS", "email": "e-mail", "in_app": "in-app message"}


def refund_will_be_notified(channels: Sequence[str]) -> str:
    """Return how and when the buyer is notified of a refund."""
    return f"The buyer is notified by {_list_channels(channels)} when the refund is on its way, and again when it has been paid."


def payment_link_will_be_sent(channels: Sequence[str]) -> str:
    """Return how the buyer receives a payment link."""
    return f"The buyer receives the link by {_list_channels(channels)}."


def _list_channels(channels: Sequence[str]) -> str:
    """Return the names of channels: `SMS, e-mail and in-app message`."""
    *others, last = [_CHANNELS[channel] for channel in channels]
    return f"{', '.join(others)} and {last}" if others else last


def failure_text(error: str) -> str:
    """Return why a message was not sent, as a sentence; empty if nothing went wrong. What the other side said stays in it."""
    said = error.strip()
    if not said:
        return ""
    answered = _ANSWERED.fullmatch(said)
    if answered is not None:
        words = answered[2].strip().rstrip(".")
        return (
            f"The provider responded with {answered[1]}: {words}."
            if words
            else f"The provider responded with {answered[1]}."
        )
    raised = _RAISED.fullmatch(said)
    if raised is not None:
        words = raised[2].strip().rstrip(".")
        return f"The provider could not be reached: {words}." if words else "The provider could not be reached."
    return said if said.endswith((".", "!", "?")) else f"{said[0].upper()}{said[1:]}."
