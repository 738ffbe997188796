"""Whom staff have looked up: each time that masked phone numbers and e-mail addresses are shown whole is recorded."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from apps.accounts import events, locks
from apps.accounts.models import User
from apps.core.events import Actor, change
from apps.core.security_log import log_security_event
from apps.core.transactions import transactional


@transactional
def record_contact_details_view(
    *, user_id: UUID, page: str, public_ids: Sequence[str], actor: Actor, now: datetime
) -> User:
    """
    Record that a member of staff has contacts shown whole: on a page of the back office, or in a PDF that they download.

    :param page: the path, in its one spelling
    :param public_ids: of what it shows, and of the person whose contacts these are
    """
    user = locks.lock_user(user_id)

    reason = f"{page} ({', '.join(public_ids)})"
    change(user, events.USER_CONTACT_DETAILS_VIEWED, {}, actor=actor, event_reason=reason, now=now)
    log_security_event("contact_details_viewed", user=user.public_id, page=page, of=list(public_ids))

    return user
