"""What lists of customers can be narrowed by."""

from django.db.models import QuerySet

from apps.accounts import selectors
from apps.accounts.models import User
from apps.core.search import SearchTerm, parse_query

PARAMS = ("q", "phone", "email")


def filter_users(people: "QuerySet[User]", params: dict[str, str]) -> "QuerySet[User]":
    """
    Narrow a list of people by phone number, e-mail address, or `q`: either of these, or a part of a name.

    :raises InvalidPhone: if `phone` is no mobile number
    :raises InvalidEmail: if `email` is no e-mail address
    :raises QueryLengthOutOfRange: if `q` is too short or too long
    """
    if "phone" in params:
        people = people.filter(phone=selectors.parse_phone(params["phone"]))
    if "email" in params:
        people = people.filter(email=selectors.parse_email(params["email"]))
    if "q" in params:
        people = _found_by(parse_query(params["q"]), people)
    return people


def _found_by(term: SearchTerm, people: "QuerySet[User]") -> "QuerySet[User]":
    if "@" in term.text:
        return people.filter(email=selectors.find_email(term.text) or "")
    phone = selectors.find_phone(term.text)
    return people.filter(phone=phone) if phone else people.filter(name__icontains=term.text)
