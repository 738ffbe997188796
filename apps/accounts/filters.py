"""What lists of customers can be narrowed by."""

from typing import Any

from django.db.models import QuerySet

from apps.accounts import rules, selectors
from apps.accounts.models import User
from apps.core.errors import Invalid

SHORTEST_QUERY, LONGEST_QUERY = 2, 100
PARAMS = ("q", "phone", "email")


class PhoneNotValid(Invalid):
    message = "{0} is a mobile number, such as +919876543210 or 98765 43210."


class EmailNotValid(Invalid):
    message = "{0} is an e-mail address, such as asha@example.in."


class QueryLengthOutOfRange(Invalid):
    message = "q has {0} to {1} characters."


def narrow(people: "QuerySet[User]", params: dict[str, str]) -> "QuerySet[User]":
    """
    Narrow a list of people by phone number, e-mail address, or `q`: either of these, or a part of a name.

    :raises PhoneNotValid: if `phone` is no mobile number
    :raises EmailNotValid: if `email` is no e-mail address
    :raises QueryLengthOutOfRange: if `q` is too short or too long
    """
    if "phone" in params:
        people = people.filter(phone=read_phone(params["phone"]))
    if "email" in params:
        people = people.filter(email=_read_email(params["email"]))
    if "q" in params:
        people = people.filter(**_wanted(read_query(params["q"])))
    return people


def read_phone(text: str) -> str:
    """
    Return a mobile number in any writing as E.164.

    :raises PhoneNotValid: if it is none
    """
    phone = selectors.find_phone(text)
    if phone is None:
        raise PhoneNotValid("phone", param="phone")
    return phone


def read_query(text: str) -> str:
    """
    Return the words that a client searches for.

    :raises QueryLengthOutOfRange: if they are too short or too long
    """
    words = text.strip()
    if not SHORTEST_QUERY <= len(words) <= LONGEST_QUERY:
        raise QueryLengthOutOfRange(SHORTEST_QUERY, LONGEST_QUERY, param="q")
    return words


def _read_email(text: str) -> str:
    try:
        return rules.normalise_email(text)
    except ValueError as error:
        raise EmailNotValid("email", param="email") from error


def _wanted(words: str) -> dict[str, Any]:
    if "@" in words:
        return {"email": words.lower()}
    phone = selectors.find_phone(words)
    return {"phone": phone} if phone else {"name__icontains": words}
