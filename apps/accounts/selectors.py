"""Reads of accounts."""

import re
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet

from apps.accounts import events, rules
from apps.accounts.models import Address, AddressNotFound, Challenge, ChallengeNotFound, Session, User, UserNotFound
from apps.accounts.states import Role
from apps.core.errors import NotFound
from apps.core.events import list_events_of_subjects
from apps.core.models import Event, public_pk
from apps.core.search import SearchTerm, any_of, having_words
from apps.tax import rules as tax

_NOT_OF_A_PHONE: Final = re.compile(r"[^0-9 ()+./-]", re.ASCII)


def find_principal(*, user_id: UUID, session_id: UUID) -> User | None:
    """Return the active user of a session that has not ended, or None."""
    return User.objects.filter(
        pk=user_id, is_active=True, sessions__pk=session_id, sessions__ended_at__isnull=True
    ).first()


def get_user(user_id: UUID) -> User:
    """
    Return a person.

    :raises UserNotFound: if there is none
    """
    user = User.objects.filter(pk=user_id).first()
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


def list_staff_with(permission: str) -> list[User]:
    """Return the active staff who hold a Django permission such as `payments.change_refund`, by name."""
    app, _, codename = permission.partition(".")
    staff = User.objects.filter(is_staff=True, is_active=True).filter(
        Q(is_superuser=True)
        | Q(groups__permissions__content_type__app_label=app, groups__permissions__codename=codename)
        | Q(user_permissions__content_type__app_label=app, user_permissions__codename=codename)
    )
    return list(staff.distinct().order_by("name", "pk"))


def staff_names() -> dict[str, str]:
    """Return the names of all staff, by public id."""
    return {user.public_id: str(user) for user in User.objects.filter(is_staff=True)}


def find_phone(text: str) -> str | None:
    """Return a mobile number in any writing and of any country as it is stored, or None if the text is none."""
    try:
        return rules.normalise_phone(text, countries=rules.KNOWN_COUNTRIES)
    except ValueError:
        return None


def list_people() -> "QuerySet[User]":
    """Return everybody who has an account, newest first."""
    return User.objects.order_by("-created_at", "-id")


def find_user_at(destination: str) -> User | None:
    """Return who has a phone number or an e-mail address (both normalised), or None."""
    wanted = {"email": destination} if "@" in destination else {"phone": destination}
    return User.objects.filter(**wanted).first()


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
    """Return the news of a person's signing up, which took a code sent to their phone or mailbox; None for others."""
    news: Event | None = list_events_of_subjects(User, [user.pk]).filter(type=events.USER_SIGNED_UP).first()
    return news


def list_staff_in(role: Role) -> list[User]:
    """Return the members of staff who are let in and have a role, first come first."""
    return list(User.objects.filter(is_staff=True, is_active=True, groups__name=role).order_by("pk"))


def masked(destination: str) -> str:
    """Return a phone number or an e-mail address as it may be shown to others."""
    return rules.mask(destination)


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


def snapshot_of(address: Address) -> dict[str, Any]:
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


def search_people(term: SearchTerm, *, with_addresses: bool) -> "QuerySet[User]":
    """
    Return the people whom a search means, newest first: by a whole phone number in any writing, a whole e-mail address, a
    public id, or by words of their names; with their addresses, also by the names and phones that stand there.

    Nobody is found by a part of a phone number or an e-mail address: staff who see them masked could read them digit by digit.
    """
    people = _people_named_by(term)
    if people is None:
        return User.objects.none()
    keys: list[QuerySet[Any, Any]] = [people.values_list("pk")]
    addresses = _addresses_named_by(term) if with_addresses else None
    if addresses is not None:
        keys.append(addresses.values_list("user_id"))
    return User.objects.filter(pk__in=any_of(*keys)).order_by("-created_at", "-id")


def phone_in(term: SearchTerm) -> str:
    """Return the phone number (E.164) that a search is, however it is written, or nothing."""
    if _NOT_OF_A_PHONE.search(term.text):
        return ""
    digits = "".join(filter(str.isdigit, term.text))
    plus = "+" if term.text.lstrip("( ").startswith("+") else ""
    try:
        return rules.normalise_phone(
            f"+{digits[2:]}" if digits.startswith("00") and not plus else plus + digits,
            countries=settings.SIGN_UP_COUNTRIES,
        )
    except ValueError:
        return ""


def _people_named_by(term: SearchTerm) -> "QuerySet[User] | None":
    pk = term.pk_of(User)
    if pk is not None:
        return User.objects.filter(pk=pk)
    if "@" in term.text:
        return User.objects.filter(email=_email_in(term))
    if phone := phone_in(term):
        return User.objects.filter(phone=phone)
    return having_words(User.objects.all(), term.words, "name") if term.words else None


def _addresses_named_by(term: SearchTerm) -> "QuerySet[Address] | None":
    if phone := phone_in(term):
        return Address.objects.filter(phone=phone)
    return having_words(Address.objects.all(), term.words, "name", "company") if term.words else None


def _email_in(term: SearchTerm) -> str:
    try:
        return rules.normalise_email(term.text)
    except ValueError:
        return ""


def display_name(user: User, *, is_masked: bool) -> str:
    """Return what a person is called; without a name, their e-mail address or phone, masked for those who see them so."""
    if user.name or not is_masked:
        return str(user)
    return masked(user.email or user.phone or "")
