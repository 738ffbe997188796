"""Whom staff have looked up: each time that masked phone numbers and e-mail addresses are shown whole is recorded."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from apps.accounts import events, locks
from apps.accounts.models import User
from apps.core.events import Actor, record
from apps.core.security import log_security_event


@transaction.atomic
def record_contacts_shown(*, user_id: UUID, page: str, actor: Actor, now: datetime) -> User:
    """
    Record that a member of staff has contacts shown whole on a page of the back office.

    :param page: the path of the page, which names the object by its id
    """
    user = locks.lock_user(user_id)

    record(events.USER_CONTACTS_SHOWN, subject=user, actor=actor, changed={}, reason=page, now=now)
    log_security_event("contacts_shown", user=user.public_id, page=page[:200])

    return user
