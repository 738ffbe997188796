"""Erasing what is known of a person, who may ask for it (DPDP Act 2023, section 12)."""

from datetime import datetime
from uuid import UUID

from django.contrib.admin.models import LogEntry
from django.contrib.auth.hashers import make_password
from django.db.models import Q

from apps.accounts import events, locks, selectors
from apps.accounts.models import Address, Challenge, Session, User
from apps.accounts.services import sessions
from apps.accounts.states import EndReason
from apps.core import idempotency
from apps.core.errors import Conflict
from apps.core.events import Actor, change
from apps.core.transactions import transactional


class StaffNotErasable(Conflict):
    """The person to erase is staff. Remove all roles first."""

    message = "{0} is a member of staff. Remove all roles first."


def lock_user_to_erase(*, user_id: UUID) -> User:
    """
    Delete a person's stored responses and codes, lock the person, and return them; call it before any row is locked.

    A caller that locks more of the person, such as their orders, does so after this and before `erase_user`. That function
    changes the person's phone, after which no other transaction can add rows that refer to the person until this one ends;
    a transaction that adds one holds the order.

    :raises UserNotFound: if there is no such person
    :raises StaffNotErasable: if it is a member of staff, whose decisions must stay attributable
    """
    known = selectors.get_user(user_id)
    # Stored responses, then challenges, then the user: requests and the verification of a code lock in this order.
    idempotency.delete_stored_responses(principal=known.public_id)
    _delete_codes(known)
    user = locks.lock_user(user_id)

    if user.is_staff:
        raise StaffNotErasable(user)

    _delete_codes(user)  # one that was requested while we waited for the lock
    return user


@transactional
def erase_user(*, user_id: UUID, actor: Actor, reason: str = "", now: datetime) -> User:
    """
    Erase a person's name, phone, e-mail address, postal addresses, codes and devices, and end all their access for good.

    The row stays, because orders refer to it. What other apps hold of the person they erase themselves, on the event. A second
    call deletes what should not be there.

    :raises UserNotFound, StaffNotErasable: as `lock_user_to_erase` does
    """
    user = lock_user_to_erase(user_id=user_id)

    Session.objects.filter(user_id=user_id).exclude(user_agent="", ip=None).update(user_agent="", ip=None)
    Address.objects.filter(user_id=user_id).delete()
    _blank_log(user)
    if user.erased_at is not None:
        return user

    access = sessions.revoke_all_access(user, reason=EndReason.ACCESS_CHANGED, actor=actor, now=now)
    blank = {"phone": None, "email": None, "email_confirmed_at": None, "name": "", "password": make_password(None)}
    change(
        user,
        events.USER_ERASED,
        {**blank, "is_active": False, "erased_at": now, **access},
        actor=actor,
        event_reason=reason,
        now=now,
    )

    return user


def _blank_log(user: User) -> None:
    """Replace the name in the back office's log of changes of the person by their id."""
    entries = LogEntry.objects.filter(content_type__app_label="accounts", content_type__model="user")
    entries.filter(object_id=str(user.pk)).exclude(object_repr=user.public_id).update(object_repr=user.public_id)


def _delete_codes(user: User) -> None:
    destinations = [each for each in (user.phone, user.email) if each]
    Challenge.objects.filter(Q(user_id=user.pk) | Q(destination__in=destinations)).delete()
