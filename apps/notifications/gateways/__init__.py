"""Providers of messages: MSG91 for SMS, SMTP for e-mail. Both answer with an Outcome."""

from dataclasses import dataclass
from enum import Enum


class SendResult(Enum):
    """What became of a message that we gave to a provider."""

    ACCEPTED = "accepted"
    #: Certainly not taken, and the same message may be taken later.
    TEMPORARY_FAILURE = "temporary_failure"
    #: Certainly not taken, and the same message never will be.
    REJECTED = "rejected"
    #: Answered with an error of the provider's own (5xx): most likely not accepted, but that is not certain.
    PROVIDER_ERROR = "provider_error"
    #: No response, or none that can be read: it may have been sent.
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Outcome:
    """
    A provider's answer: its own id of the message if it took it, its words if not.

    `rejects_credentials` says that it does not accept our key, password or address: that says nothing of the message.
    """

    result: SendResult
    provider_id: str = ""
    error: str = ""
    rejects_credentials: bool = False
