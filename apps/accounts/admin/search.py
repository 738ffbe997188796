"""The search box finds people: by a whole phone number or e-mail address, or by their names."""

from django.db.models import QuerySet
from django.http import HttpRequest

from apps.accounts import selectors
from apps.accounts.models import User
from apps.core.admin_contacts import can_read_contacts
from apps.core.admin_search import Finder, add_finder
from apps.core.masking import mask
from apps.core.search import SearchTerm


def _find(term: SearchTerm, request: HttpRequest) -> "QuerySet[User]":
    return selectors.search_visible_people(term, user=request.user)


def _describe(person: User, request: HttpRequest) -> tuple[str, str]:
    is_masked = not can_read_contacts(request)
    contacts = [contact for contact in (person.phone, person.email) if contact]
    shown = [mask(contact) if is_masked else contact for contact in contacts]
    kind = "Staff" if person.is_staff else "Customer"
    return selectors.display_name(person, is_masked=is_masked), " · ".join([kind, *shown])


add_finder(
    Finder(
        "accounts.user",
        title="People",
        find=_find,
        describe=_describe,
        hint="A person's name, whole phone number, whole e-mail address or GSTIN",
        position=20,
    )
)
