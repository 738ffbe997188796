"""Reactions to events of accounts."""

from datetime import datetime

from apps.accounts.services import otp
from apps.core.models import Event
from apps.core.relay import calls_external


@calls_external
def send_code(*, event: Event, now: datetime) -> None:
    """Make and send the code of a challenge; the service commits a claim before it calls out."""
    otp.send_code(challenge_id=event.subject_id, now=now)
