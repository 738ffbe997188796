"""The ways by which a code reaches a person: MSG91 for SMS, SMTP for e-mail. Both answer with an Outcome."""

from dataclasses import dataclass

from apps.accounts.states import SendFailure, SendStatus


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What became of a message: sent, failed for good, unknown, or queued, which means that it may be attempted again.

    `failure` says why a message that failed or is queued was not sent.

    `error` is our own words or the provider's without the code: a text of the HTTP library would hold the whole URL.
    `rejects_credentials` says that the provider does not accept our key, password or address.
    """

    status: SendStatus
    provider_id: str = ""
    error: str = ""
    rejects_credentials: bool = False
    failure: SendFailure | None = None
