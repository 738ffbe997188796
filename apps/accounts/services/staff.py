"""What those who manage people do: make staff, give roles, let people in or keep them out."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group
from django.db import IntegrityError

from apps.accounts import events, locks, rules, selectors
from apps.accounts.models import User
from apps.accounts.services import passwords, sessions
from apps.accounts.services.profiles import EmailInUse, store_password
from apps.accounts.states import MANAGE_PEOPLE, EndReason, Role
from apps.core import ids
from apps.core.errors import Forbidden, Invalid, NotFound
from apps.core.events import Actor, change, create
from apps.core.security_log import log_security_event
from apps.core.transactions import atomic, transactional

#: Actors that need no permission: the system, and an operator with a shell on the server.
_TRUSTED_ACTOR_KINDS = frozenset({"system", "operator"})


class UserManagementForbidden(Forbidden):
    """The account may not manage people. Log in with an account that may."""

    message = "You may not manage people."


class SelfAccessChangeForbidden(Forbidden):
    """Nobody can change their own roles or access. Another member of staff must do it."""

    message = "You cannot change your own access. Ask another administrator."


class UnknownRole(Invalid):
    """There is no such staff role. Choose one that exists."""

    message = "There is no role called {0}."


def create_staff(*, email: str, name: str, password: str, role: str, actor: Actor, now: datetime) -> User:
    """
    Make a member of staff with one role, who logs in by e-mail address and password.

    :raises UserManagementForbidden: if the actor may not
    :raises InvalidEmail: if the address is none
    :raises UnknownRole: if there is no such role
    :raises PasswordTooWeak: if the password is too weak
    :raises EmailInUse: if an account has the address
    """
    _require_user_manager(actor)
    try:
        address = rules.normalise_email(email)
    except ValueError as error:
        raise selectors.InvalidEmail(param="email") from error
    passwords.validate_strength(password, user=User(email=address, name=name))

    try:
        return _create_staff(email=address, name=name, encoded=make_password(password), role=role, actor=actor, now=now)
    except IntegrityError as error:
        raise EmailInUse(param="email") from error


@transactional
def _create_staff(*, email: str, name: str, encoded: str, role: str, actor: Actor, now: datetime) -> User:
    groups = _get_groups([role])

    user = User(email=email, name=name, password=encoded, is_staff=True)
    create(user, events.USER_SIGNED_UP, actor=actor, event_values={"roles": [role]}, now=now)
    user.groups.set(groups)
    _log_change("staff_created", user, actor, roles=[role])

    return user


@transactional
def set_roles(*, user_id: UUID, roles: Collection[str], actor: Actor, reason: str = "", now: datetime) -> User:
    """
    Give a person exactly these roles, and end their access so that it counts at once. None makes them a customer.

    :raises UserManagementForbidden: if the actor may not
    :raises SelfAccessChangeForbidden: if the actor is that person
    :raises UnknownRole: if there is no such role
    :raises UserErased: if the person was erased
    """
    _require_user_manager(actor, target_id=user_id)
    user = locks.lock_user_to_change(user_id, actor=actor)

    groups = _get_groups(roles)
    if sorted(roles) == selectors.list_roles(user) and user.is_staff == bool(roles):
        return user

    user.groups.set(groups)
    access = sessions.revoke_all_access(user, reason=EndReason.ACCESS_CHANGED, actor=actor, now=now)
    change(
        user,
        events.USER_ROLES_CHANGED,
        {"is_staff": bool(groups), **access},
        actor=actor,
        event_reason=reason,
        event_values={"roles": sorted(roles)},
        now=now,
    )
    _log_change("roles_changed", user, actor, roles=sorted(roles))

    return user


@transactional
def deactivate_user(*, user_id: UUID, actor: Actor, reason: str, now: datetime) -> User:
    """
    Keep a person out from now on: every session and token ends at once.

    :raises UserManagementForbidden: if the actor may not
    :raises SelfAccessChangeForbidden: if the actor is that person
    """
    _require_user_manager(actor, target_id=user_id)
    user = locks.lock_user(user_id)

    if not user.is_active:
        return user

    access = sessions.revoke_all_access(user, reason=EndReason.ACCESS_CHANGED, actor=actor, now=now)
    change(user, events.USER_DEACTIVATED, {"is_active": False, **access}, actor=actor, event_reason=reason, now=now)
    _log_change("user_deactivated", user, actor)

    return user


@transactional
def reactivate_user(*, user_id: UUID, actor: Actor, reason: str, now: datetime) -> User:
    """
    Let a person in again; they log in again.

    :raises UserManagementForbidden: if the actor may not
    :raises SelfAccessChangeForbidden: if the actor is that person
    :raises UserErased: if the person was erased
    """
    _require_user_manager(actor, target_id=user_id)
    user = locks.lock_user_to_change(user_id, actor=actor)

    if user.is_active:
        return user

    change(user, events.USER_REACTIVATED, {"is_active": True}, actor=actor, event_reason=reason, now=now)
    _log_change("user_reactivated", user, actor)

    return user


def set_password(*, user_id: UUID, password: str, actor: Actor, now: datetime) -> User:
    """
    Set somebody else's password and end all their access.

    :raises UserManagementForbidden: if the actor may not
    :raises SelfAccessChangeForbidden: if the actor is that person, who does it by a code
    :raises PasswordTooWeak: if the password is too weak
    :raises UserErased: if the person was erased
    """
    _require_user_manager(actor, target_id=user_id)
    passwords.validate_strength(password, user=selectors.get_user(user_id))
    encoded = make_password(password)

    with atomic(savepoint=False):
        user = locks.lock_user_to_change(user_id, actor=actor)
        store_password(user, encoded=encoded, actor=actor, now=now)
        _log_change("user_password_set", user, actor)

    return user


def _log_change(event: str, user: User, actor: Actor, **facts: Any) -> None:
    log_security_event(event, user=user.public_id, actor=str(actor), **facts)


def _require_user_manager(actor: Actor, *, target_id: UUID | None = None) -> None:
    if actor.kind in _TRUSTED_ACTOR_KINDS:
        return
    if actor.kind != "user":
        raise UserManagementForbidden
    try:
        manager = selectors.get_user(ids.decode(User.PREFIX, actor.id))
    except NotFound:
        raise UserManagementForbidden from None
    if not (manager.is_active and manager.is_staff and manager.has_perm(MANAGE_PEOPLE)):
        raise UserManagementForbidden
    if target_id == manager.pk:
        raise SelfAccessChangeForbidden


def _get_groups(roles: Collection[str]) -> list[Group]:
    for role in roles:
        if role not in Role.values:
            raise UnknownRole(role, param="roles")
    return list(Group.objects.filter(name__in=list(roles)))
