"""What lists of customers can be narrowed by."""

from typing import Any

from django.db.models import QuerySet

from apps.accounts import selectors
from apps.accounts.models import User
from apps.core.api import QueryFilterSet, ReadFilter
from apps.core.api.filters import EMAIL, PHONE, search_schema
from apps.core.search import parse_query


class CustomerFilterSet(QueryFilterSet):
    """Filters by phone number, e-mail address, or `q`: either of these, or a part of a name."""

    phone = ReadFilter(read=selectors.parse_phone, schema=PHONE, description="The phone number, in any writing.")
    email = ReadFilter(read=selectors.parse_email, schema=EMAIL, description="The whole e-mail address.")
    q = ReadFilter(
        method="search",
        read=parse_query,
        schema=search_schema(),
        description="A phone number, an e-mail address, or a part of a name.",
    )

    def search(self, people: "QuerySet[User]", _: str, term: Any) -> "QuerySet[User]":
        if "@" in term.text:
            return people.filter(email=selectors.parse_email_or_none(term.text) or "")
        phone = selectors.parse_phone_or_none(term.text)
        return people.filter(phone=phone) if phone else people.filter(name__icontains=term.text)
