"""Codes without their journey: the test sets the code that a worker would have sent."""

from django.conf import settings

from apps.accounts import rules
from apps.accounts.models import Challenge

CODE = "042917"


WRONG = "111111"


def set_code(challenge: Challenge, code: str = CODE) -> Challenge:
    """Do what the sender does to the row, for a code that the test knows."""
    challenge.code_hash = rules.hash_code(
        pepper=settings.OTP_PEPPER,
        challenge=challenge.public_id,
        purpose=challenge.purpose,
        destination=challenge.destination,
        code=code,
    )
    challenge.save(update_fields=["code_hash"])
    return challenge
