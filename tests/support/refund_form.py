"""The form on which staff request a refund: filled, shown for confirmation, and read."""

import re
from typing import Any

from django.test import Client
from django.urls import reverse

from apps.orders.models import Order

REASON = {"reason": "goods_returned", "note": "Too small"}


def address(order: Order) -> str:
    return reverse("admin:orders_order_action", args=[order.pk, "refund"])


def hidden(content: str) -> dict[str, str]:
    """Return the hidden fields of the form of a page."""
    form = content[content.index('<form method="post" novalidate') :]
    form = form[: form.index("</form>")]
    found = {}
    for field in re.findall(r"<input[^>]*type=\"hidden\"[^>]*>|<textarea[^>]*>", form):
        name, value = re.search(r'name="([^"]*)"', field), re.search(r'value="([^"]*)"', field)
        if name is not None and name[1] != "csrfmiddlewaretoken":
            found[name[1]] = value[1] if value is not None else ""
    return found


def preview(client: Client, order: Order, **typed: Any) -> str:
    return str(client.post(address(order), {**REASON, **typed}).content.decode())
