"""Orders for tests, placed through the service."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from apps.core import clock
from apps.core.events import Actor
from apps.orders import services
from apps.orders.models import Order, OrderAddress
from tests.factories.accounts import make_address
from tests.factories.catalog import make_registration, make_variant


def actor_for(user: Any) -> Actor:
    """Return a user as the one who does something."""
    return Actor(kind="user", id=user.public_id, label=str(user))


def make_order(
    customer: Any,
    variants: Iterable[Any] | None = None,
    *,
    quantity: int = 1,
    address: Any = None,
    now: datetime | None = None,
    **requested: Any,
) -> Order:
    """
    Return an order that waits for its payment.

    `variants` are variants, ordered in `quantity`, or pairs of variant and quantity; one is made if none is given. The seller's
    registration is made if there is none; the address is one of the customer's in Karnataka if none is given.
    """
    make_registration()
    pairs = [one if isinstance(one, tuple) else (one, quantity) for one in variants or [make_variant()]]
    return services.place_order(
        customer_id=customer.pk,
        lines=[services.OrderLineInput(variant_id=variant.pk, quantity=count) for variant, count in pairs],
        shipping_address_id=(address or make_address(customer)).pk,
        actor=actor_for(customer),
        now=now or clock.now(),
        **requested,
    )


def make_order_address(**fields: str) -> OrderAddress:
    """Return an address as orders keep it: of nobody's order yet, in Karnataka if no state is given."""
    values = {
        "name": "Asha Owner",
        "line1": "12 MG Road",
        "city": "Bengaluru",
        "state": "29",
        "pin": "560001",
        **fields,
    }
    return OrderAddress.objects.create(**values)
