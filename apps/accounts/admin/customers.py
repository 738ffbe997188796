"""What the page of a customer shows next to their account: their addresses. Apps above add orders and messages."""

from typing import Any

from django.urls import reverse

from apps.accounts import selectors
from apps.core.admin_panels import Panel, add_panel
from apps.core.admin_site import join_nonempty, link
from apps.tax.rules import state_name

_PLACE = ("company", "line1", "line2", "city", "pin")


def _address_rows(user: Any) -> list[tuple[Any, ...]]:
    return [
        (
            link(reverse("admin:accounts_address_change", args=[address.pk]), address.name),
            join_nonempty(address.__dict__, _PLACE),
            state_name(address.state),
            address.gstin,
            "Default" if address.is_default else "",
        )
        for address in selectors.list_addresses(user_id=user.pk)
    ]


add_panel(
    "accounts.user",
    Panel(
        title="Addresses",
        columns=("Name", "Address", "State", "GSTIN", "Used"),
        rows=_address_rows,
        permission="accounts.view_address",
        position=20,
    ),
)
