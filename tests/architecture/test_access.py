"""Every route of the API, asked by nobody, by a stranger, by its owner and by staff with and without the permission."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from rest_framework.test import APIClient

from apps.accounts.models import User
from apps.core import ids
from tests.architecture.access import ACCESS, OWNER, PUBLIC, SIGNATURE, SIGNED, STAFF
from tests.architecture.route_map import list_routes
from tests.factories.accounts import make_address, make_challenge, make_session, make_staff, make_user
from tests.factories.fulfilment import make_invoiced_order, make_shipment
from tests.factories.invoicing import make_rendered_credit_note, make_rendered_invoice
from tests.factories.notifications import make_notification
from tests.factories.orders import make_order
from tests.factories.payments import make_dispute, make_payment, make_refund, pay
from tests.support.answers import without_request_id
from tests.support.storage import documents_in
from tests.support.stored_rows import nothing_changes

PREFIX = {
    "order_id": "ord", "payment_id": "pay", "refund_id": "rfnd", "invoice_id": "inv", "credit_note_id": "inv",
    "notification_id": "ntf", "address_id": "addr", "session_id": "sess", "challenge_id": "chal",
    "dispute_id": "disp", "shipment_id": "shp", "settlement_id": "stl", "bank_statement_import_id": "bsi",
    "exception_id": "rex", "attempt_id": "att", "customer_id": "cus", "product_id": "prod", "variant_id": "var",
}  # fmt: skip


ROUTES = sorted(route.key for route in list_routes())
NEED_SIGN_IN = [route for route in ROUTES if route in ACCESS and ACCESS[route].kind in (SIGNED, OWNER, STAFF)]
OWNED = [route for route in ROUTES if route in ACCESS and ACCESS[route].kind == OWNER]
FOR_STAFF = [route for route in ROUTES if route in ACCESS and ACCESS[route].kind == STAFF]
LISTS = [route for route in ROUTES if route in ACCESS and ACCESS[route].kind == SIGNED and route.startswith("GET")]


def test_every_route_has_its_rule_and_every_rule_its_route() -> None:
    assert set(ROUTES) == set(ACCESS)


@pytest.fixture(scope="module")
def things(rows_of_module: Any, tmp_path_factory: Any) -> Iterator[dict[str, str]]:
    """One of each thing that the owner has, by the name that it has in paths."""
    with documents_in(tmp_path_factory.mktemp("documents")):
        with rows_of_module():
            made = make_things(make_user(phone="+919876543210", name="Asha Owner"))
        yield made


@pytest.fixture
def owner(things: dict[str, str], db: None) -> Any:
    return User.objects.get(pk=ids.decode("cus", things["customer_id"]))


def make_things(owner: Any) -> dict[str, str]:
    address = make_address(owner)
    order = make_order(owner, address=address)
    payment = make_payment(order)
    link = {"link": "upi://pay?pa=shop@bank&am=1.00", "qr_url": "/qr.svg", "gateway_payment_id": "pay_NQxlPq2WmR8sTz"}
    payment.next_action = {"type": "razorpay_checkout", "upi": link}
    payment.save(update_fields=["next_action"])
    variant = order.lines.first().variant
    return {
        "address_id": address.public_id,
        "customer_id": owner.public_id,
        "order_id": order.public_id,
        "payment_id": payment.public_id,
        "dispute_id": make_dispute(pay(make_order(owner, address=address))).public_id,
        "refund_id": make_refund(make_order(owner, address=address)).public_id,
        "variant_id": variant.public_id,
        "product_id": variant.product.public_id,
        "invoice_id": make_rendered_invoice(owner).public_id,
        "credit_note_id": make_rendered_credit_note(owner).public_id,
        "shipment_id": make_shipment(make_invoiced_order(owner, address=address)).public_id,
        "notification_id": make_notification(owner).public_id,
        "session_id": make_session(owner).public_id,
        "challenge_id": make_challenge(owner.phone).public_id,
        "gstin": "27AAPFU0939F1ZV",
        "settlement_id": ids.encode("stl", ids.new()),
        "bank_statement_import_id": ids.encode("bsi", ids.new()),
        "exception_id": ids.encode("rex", ids.new()),
        "attempt_id": ids.encode("att", ids.new()),
    }


def filled(value: Any, things: dict[str, str]) -> Any:
    return json.loads(re.sub(r"<(\w+)>", lambda found: things[found.group(1)], json.dumps(value)))


def ask(client: APIClient, route: str, things: dict[str, str]) -> Any:
    method, path = route.split(" ")
    body = filled(ACCESS[route].body, things)
    return client.generic(
        method,
        f"/api/v1/{filled(path, things)}",
        json.dumps(body) if body else "",
        content_type="application/json",
        headers={"Idempotency-Key": "key-of-the-test", "If-Match": "*"},
    )


def absent(things: dict[str, str]) -> dict[str, str]:
    return {name: ids.encode(PREFIX[name], ids.new()) if name in PREFIX else value for name, value in things.items()}


@pytest.mark.django_db
@pytest.mark.parametrize("route", NEED_SIGN_IN)
def test_nobody_gets_in_without_signing_in(route: str, anonymous: APIClient, things: dict[str, str]) -> None:
    with nothing_changes():
        response = ask(anonymous, route, things)

    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Bearer"


@pytest.mark.django_db
@pytest.mark.parametrize("route", OWNED)
def test_for_a_stranger_it_does_not_exist(
    route: str, stranger: Any, client_of: Callable[[Any], APIClient], things: dict[str, str]
) -> None:
    client = client_of(stranger)

    with nothing_changes():
        response = ask(client, route, things)
        nothing = ask(client, route, absent(things))

    assert (response.status_code, nothing.status_code) == (404, 404)
    assert without_request_id(response) == without_request_id(nothing)


@pytest.mark.django_db
@pytest.mark.parametrize("route", OWNED)
def test_its_owner_finds_it(
    route: str, owner: Any, client_of: Callable[[Any], APIClient], things: dict[str, str]
) -> None:
    response = ask(client_of(owner), route, things)

    assert response.status_code not in (401, 403, 404), response.content


@pytest.mark.django_db
@pytest.mark.parametrize("route", LISTS)
def test_a_strangers_list_holds_nothing_of_the_owners(
    route: str, stranger: Any, client_of: Callable[[Any], APIClient], things: dict[str, str]
) -> None:
    response = ask(client_of(stranger), route, things)

    assert response.status_code == 200
    private = [value for name, value in things.items() if name not in ("product_id", "variant_id", "gstin")]
    assert [value for value in private if value in response.content.decode()] == []


@pytest.mark.django_db
@pytest.mark.parametrize("route", FOR_STAFF)
def test_what_is_for_staff_is_refused_to_customers_and_to_staff_without_the_permission(
    route: str, owner: Any, client_of: Callable[[Any], APIClient], things: dict[str, str]
) -> None:
    app, codename = ACCESS[route].permission.split(".")
    member = make_staff("support")
    member.groups.clear()

    for person in (owner, member):
        client = client_of(person)
        with nothing_changes():
            assert ask(client, route, things).status_code == 403

    member.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    assert ask(client_of(type(member).objects.get(pk=member.pk)), route, things).status_code not in (401, 403)


@pytest.mark.django_db
@pytest.mark.parametrize("route", [route for route in OWNED if ACCESS[route].permission])
def test_staff_with_the_permission_find_what_is_the_owners_and_others_do_not(
    route: str, client_of: Callable[[Any], APIClient], things: dict[str, str]
) -> None:
    app, codename = ACCESS[route].permission.split(".")
    member = make_staff("support")
    member.groups.clear()

    assert ask(client_of(member), route, things).status_code == 404

    view = codename if codename.startswith("view_") else f"view_{codename.split('_', 1)[1]}"
    member.user_permissions.add(*Permission.objects.filter(content_type__app_label=app, codename__in=[codename, view]))
    found = ask(client_of(type(member).objects.get(pk=member.pk)), route, things)
    assert found.status_code not in (401, 403, 404), found.content


@pytest.mark.django_db
@pytest.mark.parametrize("route", [route for route, access in ACCESS.items() if access.kind == PUBLIC])
def test_what_is_public_asks_for_no_sign_in(route: str, anonymous: APIClient, things: dict[str, str]) -> None:
    response = ask(anonymous, route, things)

    assert response.status_code != 403
    if not route.startswith("POST auth"):
        assert response.status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize("route", [route for route, access in ACCESS.items() if access.kind == SIGNATURE])
def test_what_is_for_a_gateway_needs_its_signature(
    route: str, owner: Any, client_of: Callable[[Any], APIClient], things: dict[str, str]
) -> None:
    client = client_of(owner)

    with nothing_changes():
        assert ask(client, route, things).status_code == 401


@pytest.mark.django_db
@pytest.mark.parametrize("route", ROUTES)
def test_other_methods_are_refused_in_our_shape(
    route: str, administrator: Any, client_of: Callable[[Any], APIClient], things: dict[str, str]
) -> None:
    type(administrator).objects.filter(pk=administrator.pk).update(is_superuser=True)
    _, path = route.split(" ")
    used = {one.split(" ")[0] for one in ROUTES if one.split(" ")[1] == path}

    response = client_of(administrator).generic(
        "PUT", f"/api/v1/{filled(path, things)}", "{}", content_type="application/json"
    )

    assert "PUT" not in used
    assert (response.status_code, response.json()["error"]["code"]) == (405, "method_not_allowed")
