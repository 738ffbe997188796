"""Who may change the rates and registrations: one at a time, since what they must not do is overlap each other."""

from uuid import UUID

from django.db import connection

from apps.core.locks import lock_row
from apps.tax.models import Registration, RegistrationNotFound

_RATES = 7_201
_REGISTRATIONS = 7_202


def lock_rates() -> None:
    """Let nobody else change a rate until this transaction ends; readers go on."""
    _lock(_RATES)


def lock_registrations() -> None:
    """Let nobody else add or change a registration until this transaction ends; readers go on."""
    _lock(_REGISTRATIONS)


def lock_registration(registration_id: UUID) -> Registration:
    """
    Lock the registrations and return one of them.

    :raises RegistrationNotFound: if there is none
    """
    lock_registrations()
    return lock_row(Registration, registration_id, missing=RegistrationNotFound)


def _lock(what: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [what])
