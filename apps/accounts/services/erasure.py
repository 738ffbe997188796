"""Erasing what is known of a person, who may ask for it (DPDP Act 2023, section 12)."""

from datetime import datetime
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.db.models import Q

from apps.accounts import events, locks, selectors
from apps.accounts.models import Address, Challenge, Session, User
from apps.accounts.services import sessions
from apps.accounts.states import EndReason
from apps.core import idempotency
from apps.core.errors import Conflict
from apps.core.events import Actor, record, stored_fields

_CHANGED = ("phone", "email", "email_confirmed_at", "name", "is_active", "erased_at", "session_version")


class StaffNotErasable(Conflict):
    message = "{0} is a member of staff. Take all roles away first."


@transaction.atomic
def erase_user(*, user_id: UUID, actor: Actor, reason: str = "", now: datetime) -> User:
    """
    Erase a person's name, phone, e-mail address, postal addresses, codes and devices, and end all their access for good.

    The row stays, because orders refer to it. What other apps hold of the person they erase themselves, on the event.

    :raises UserNotFound: if there is no such person
    :raises StaffNotErasable: if it is a member of staff, whose decisions must stay attributable
    """
    known = selectors.get_user(user_id)
    destinations = [each for each in (known.phone, known.email) if each]
    # Before the user: entering a code locks in this order.
    Challenge.objects.filter(Q(user_id=user_id) | Q(destination__in=destinations)).delete()
    user = locks.lock_user(user_id)

    if user.erased_at is not None:
        return user
    if user.is_staff:
        raise StaffNotErasable(user)

    user.phone = user.email = user.email_confirmed_at = None
    user.name = ""
    user.password = make_password(None)
    user.is_active = False
    user.erased_at = now
    sessions.end_all_access(user, reason=EndReason.ACCESS_CHANGED, actor=actor, now=now)
    user.save(update_fields=[*_CHANGED, "password", "updated_at"])
    Session.objects.filter(user_id=user_id).update(user_agent="", ip=None)
    Address.objects.filter(user_id=user_id).delete()
    idempotency.forget_answers(principal=user.public_id)

    changed = stored_fields(user, *_CHANGED)
    record(events.USER_ERASED, subject=user, actor=actor, changed=changed, reason=reason, now=now)

    return user
