"""Phone numbers and e-mail addresses in answers of the API: masked for staff who may not read them."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from rest_framework.request import Request

from apps.core.masking import mask_in_data
from apps.core.models import is_staff_with


def sees_contacts_masked(user: Any) -> bool:
    """Return whether a person is staff who may not read the phone numbers and e-mail addresses of others."""
    return bool(getattr(user, "is_staff", False)) and not is_staff_with(user, settings.CONTACT_DETAILS_PERMISSION)


def mask_contacts(request: Request, data: Any) -> Any:
    """Return the data of an answer as its reader may see them; staff who buy see their own orders and addresses whole."""
    # Without the request's own user nobody was authenticated, and looking for one would fail again.
    user: Any = getattr(request, "_user", None)
    view: Any = request.parser_context.get("view")
    if not sees_contacts_masked(user) or view is None or view.shows_own_contacts:
        return data

    def is_own(row: Mapping[str, Any]) -> bool:
        return "object" in row and row.get("customer_id") == user.public_id

    return mask_in_data(data, except_for=frozenset(filter(None, (user.email, user.phone))), is_own=is_own)
