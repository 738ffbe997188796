"""Reads of accounts."""

import re
from typing import Any, Final
from uuid import UUID

from django.contrib.auth.models import Group
from django.db.models import Q, QuerySet

from apps.accounts import events, rules
from apps.accounts.models import Address, AddressNotFound, Challenge, ChallengeNotFound, Session, User, UserNotFound
from apps.accounts.states import Role
from apps.core.errors import Invalid, NotFound
from apps.core.event_replay import list_events_of_subjects
from apps.core.hot_path import hot_path
from apps.core.masking import mask
from apps.core.models import Event, public_pk
from apps.core.rows import find_by
from apps.core.search import SearchTerm, any_of, filter_by_words
from apps.tax import rules as tax

_NOT_IN_A_PHONE_NUMBER: Final = re.compile(r"[^0-9 ()+./-]", re.ASCII)


class InvalidPhone(Invalid):
    """The text is not an Indian mobile number. Send ten digits, with or without +91."""

    message = "phone must be a mobile number, such as +919876543210 or 98765 43210."


class InvalidEmail(Invalid):
    """The text is not an e-mail address. Correct it."""

    message = "email must be an e-mail address, such as asha@example.in."


@hot_path("accounts.find_authenticated_user", is_read=True)
def find_authenticated_user(*, user_id: UUID, session_id: UUID) -> User | None:
    """Return the active user of a session that has not ended, or None."""
    return User.objects.filter(
        pk=user_id, is_active=True, sessions__pk=session_id, sessions__ended_at__isnull=True
    ).first()


def get_user(user_id: UUID) -> User:
    """
    Return a person.

    :raises UserNotFound: if there is none
    """
    user = find_by(User, id=user_id)
    if user is None:
        raise UserNotFound
    return user


def find_user(public_id: str) -> User | None:
    """Return the person whom a public id such as `cus_01jf3z8k4qe7tv2w9x0y1z2a3b` names, or None."""
    try:
        return get_user(public_pk(User, public_id))
    except NotFound:
        return None


def get_challenge(challenge_id: UUID) -> Challenge:
    """
    Return a request for a code. Only the caller who requested it knows its id.

    :raises ChallengeNotFound: if there is none
    """
    challenge = Challenge.objects.filter(pk=challenge_id).first()
    if challenge is None:
        raise ChallengeNotFound
    return challenge


def list_staff_with_permission(permission: str) -> list[User]:
    """Return the active staff who hold a Django permission such as `payments.change_refund`, by name."""
    app, _, codename = permission.partition(".")
    staff = User.objects.filter(is_staff=True, is_active=True).filter(
        Q(is_superuser=True)
        | Q(groups__permissions__content_type__app_label=app, groups__permissions__codename=codename)
        | Q(user_permissions__content_type__app_label=app, user_permissions__codename=codename)
    )
    return list(staff.distinct().order_by("name", "pk"))


def is_role_set_up(role: str) -> bool:
    """Return whether the group of a role exists, which the reference data makes."""
    return Group.objects.filter(name=role).exists()


def get_staff_names() -> dict[str, str]:
    """Return the names of all staff, by public id."""
    return {user.public_id: str(user) for user in User.objects.filter(is_staff=True)}


def parse_phone_or_none(text: str) -> str | None:
    """Return a mobile number in any writing and of any country as it is stored, or None if the text is none."""
    if _NOT_IN_A_PHONE_NUMBER.search(text):
        return None
    digits = "".join(filter(str.isdigit, text))
    if text.lstrip("( ").startswith("+"):
        digits = f"+{digits}"
    elif digits.startswith("00"):
        digits = f"+{digits[2:]}"
    try:
        return rules.normalise_phone(digits, countries=rules.KNOWN_COUNTRIES)
    except ValueError:
        return None


def parse_email_or_none(text: str) -> str | None:
    """Return an e-mail address as it is stored, or None if the text is none."""
    try:
        return rules.normalise_email(text)
    except ValueError:
        return None


def parse_phone(text: str) -> str:
    """
    Return a mobile number in any writing and of any country as it is stored.

    :raises InvalidPhone: if the text is none
    """
    phone = parse_phone_or_none(text)
    if phone is None:
        raise InvalidPhone(param="phone")
    return phone


def parse_email(text: str) -> str:
    """
    Return an e-mail address as it is stored.

    :raises InvalidEmail: if the text is none
    """
    email = parse_email_or_none(text)
    if email is None:
        raise InvalidEmail(param="email")
    return email


def list_users() -> "QuerySet[User]":
    """Return everybody who has an account, newest first."""
    return User.objects.order_by("-created_at", "-id")


def find_user_at(destination: str) -> User | None:
    """Return who has a phone number or an e-mail address (both normalised), or None."""
    wanted = {"email": destination} if "@" in destination else {"phone": destination}
    return User.objects.filter(**wanted).first()


def parse_contact_or_none(text: str) -> str | None:
    """Return a phone number or an e-mail address in any writing as it is stored, or None if the text is neither."""
    return parse_email_or_none(text) if "@" in text else parse_phone_or_none(text)


def find_user_by_contact(text: str) -> User | None:
    """Return who has a phone number or an e-mail address, however it is written, or None."""
    contact = parse_contact_or_none(text)
    return find_user_at(contact) if contact else None


def list_roles(user: User) -> list[str]:
    """Return the names of a person's staff roles in the order of the alphabet."""
    return sorted(user.groups.values_list("name", flat=True)) if user.is_staff else []


def list_live_sessions(*, user_id: UUID) -> "QuerySet[Session]":
    """Return the sessions of a person that have not ended, newest first."""
    return Session.objects.filter(user_id=user_id, ended_at__isnull=True).order_by("-created_at", "-id")


def list_log_ins(*, user_id: UUID, limit: int) -> list[Session]:
    """Return the latest log-ins of a person, ended or not, newest first."""
    return list(Session.objects.filter(user_id=user_id).order_by("-created_at", "-id")[:limit])


def find_sign_up(user: User) -> Event | None:
    """Return the sign-up event of a user, which took a code sent to their phone or mailbox; None for others."""
    event: Event | None = list_events_of_subjects(User, [user.pk]).filter(type=events.USER_SIGNED_UP).first()
    return event


def list_staff_with_role(role: Role) -> list[User]:
    """Return the members of staff who are let in and have a role, first come first."""
    return list(User.objects.filter(is_staff=True, is_active=True, groups__name=role).order_by("pk"))


def list_addresses(*, user_id: UUID) -> "QuerySet[Address]":
    """Return the addresses of a person, newest first."""
    return Address.objects.filter(user_id=user_id, removed_at__isnull=True).order_by("-created_at", "-id")


def has_gstin(user_id: UUID) -> bool:
    """Test if a person buys for a business: one of their addresses has a GSTIN."""
    return list_addresses(user_id=user_id).exclude(gstin="").order_by().exists()


def get_address(*, user_id: UUID, address_id: UUID) -> Address:
    """
    Return an address of a person.

    :raises AddressNotFound: if there is none, it is somebody else's, or it was removed
    """
    address = list_addresses(user_id=user_id).filter(pk=address_id).first()
    if address is None:
        raise AddressNotFound
    return address


def snapshot_address(address: Address) -> dict[str, Any]:
    """Return what an order keeps of an address, for whatever becomes of the address later."""
    return {
        "name": address.name,
        "company": address.company,
        "phone": address.phone,
        "line1": address.line1,
        "line2": address.line2,
        "city": address.city,
        "state": address.state,
        "pin": address.pin,
        "pin_check": tax.pin_check(address.pin),
        "gstin": address.gstin,
    }


def search_users(term: SearchTerm, *, with_addresses: bool) -> "QuerySet[User]":
    """
    Return the people whom a search means, newest first.

    They are found by a whole phone number in any writing, a whole e-mail address, a public id, or words of their names; with
    their addresses, also by the names, phones and GSTINs that stand there.

    Nobody is found by a part of a phone number or an e-mail address: staff who see them masked could read them digit by digit.
    """
    people = _find_matching_users(term)
    if people is None:
        return User.objects.none()
    keys: list[QuerySet[Any, Any]] = [people.values_list("pk")]
    addresses = _find_matching_addresses(term) if with_addresses else None
    if addresses is not None:
        keys.append(addresses.values_list("user_id"))
    return User.objects.filter(pk__in=any_of(*keys)).order_by("-created_at", "-id")


def search_visible_people(term: SearchTerm, *, user: Any) -> "QuerySet[User]":
    """Return the people whom a search of a member of staff means, as far as they may look at people and their addresses."""
    if not user.has_perm("accounts.view_user"):
        return User.objects.none()
    return search_users(term, with_addresses=user.has_perm("accounts.view_address"))


def _find_matching_users(term: SearchTerm) -> "QuerySet[User] | None":
    pk = term.pk_of(User)
    if pk is not None:
        return User.objects.filter(pk=pk)
    if "@" in term.text:
        return User.objects.filter(email=parse_email_or_none(term.text) or "")
    if phone := parse_phone_or_none(term.text):
        return User.objects.filter(phone=phone)
    return filter_by_words(User.objects.all(), term.words, "name") if term.words else None


def _find_matching_addresses(term: SearchTerm) -> "QuerySet[Address] | None":
    if phone := parse_phone_or_none(term.text):
        return Address.objects.filter(phone=phone)
    if tax.check_gstin(term.code).refusal is None:
        return Address.objects.filter(gstin=term.code)
    return filter_by_words(Address.objects.all(), term.words, "name", "company") if term.words else None


def display_name(user: User, *, is_masked: bool) -> str:
    """Return what a person is called; without a name, their e-mail address or phone, masked for those who see them so."""
    if user.name or not is_masked:
        return str(user)
    return mask(user.email or user.phone or "")
