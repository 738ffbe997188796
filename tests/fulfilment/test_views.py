"""Shipments over HTTP: who sees which, who may do what, and what a refusal leaves alone."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.core import ids
from apps.core.models import Event
from apps.fulfilment.models import Shipment
from apps.orders.models import Order
from tests.factories.catalog import make_variant
from tests.factories.fulfilment import (
    make_dispatched_shipment,
    make_invoiced_order,
    make_packed_shipment,
    make_shipment,
)
from tests.factories.orders import make_order
from tests.support.stock import stock_of
from tests.support.stored_rows import KEPT_ANSWERS, nothing_changes

pytestmark = pytest.mark.django_db

Clients = Callable[[Any], APIClient]
URL = "/api/v1/shipments"


def url_of(shipment: Shipment, step: str = "") -> str:
    return f"{URL}/{shipment.public_id}{step}"


def post(client: APIClient, url: str, body: Any = None, key: str = "key-of-the-test") -> Any:
    return client.post(url, body or {}, format="json", headers={"Idempotency-Key": key})


def ids_of(answer: Any) -> list[str]:
    return [item["id"] for item in answer.json()["data"]]


class TestList:
    def test_customer_sees_those_of_own_orders(self, order: Any, owner: Any, stranger: Any, client_of: Clients) -> None:
        first, second = make_shipment(order, {1: 1}), make_shipment(order)
        make_shipment(make_invoiced_order(stranger))

        answer = client_of(owner).get(URL)

        assert ids_of(answer) == [second.public_id, first.public_id]
        shown = answer.json()["data"][1]
        assert (shown["order_id"], shown["order_number"], shown["status"]) == (order.public_id, order.number, "pending")
        assert [(line["sku"], line["quantity"]) for line in shown["lines"]] == [(order.lines.get(position=1).sku, 1)]
        assert "refund_override_reason" not in shown
        assert answer["Cache-Control"] == "private, no-store"

    @pytest.mark.parametrize("role", ["support", "finance", "administrator"])
    def test_staff_who_may_view_shipments_see_all(
        self, role: str, order: Any, stranger: Any, client_of: Clients, request: pytest.FixtureRequest
    ) -> None:
        both = {make_shipment(order).public_id, make_shipment(make_invoiced_order(stranger)).public_id}

        answer = client_of(request.getfixturevalue(role)).get(URL)

        assert set(ids_of(answer)) == both
        assert answer.json()["data"][0]["refund_override_reason"] == ""

    def test_other_staff_see_none(self, order: Any, catalogue_manager: Any, client_of: Clients) -> None:
        make_shipment(order)

        assert ids_of(client_of(catalogue_manager).get(URL)) == []

    def test_pages_lead_in_both_directions(self, order: Any, owner: Any, client_of: Clients) -> None:
        made = [make_shipment(order, {1: 1}).public_id for _ in range(3)][::-1]
        client = client_of(owner)

        first = client.get(URL, {"limit": 2}).json()
        second = client.get(URL, {"limit": 2, "cursor": first["next_cursor"]}).json()
        back = client.get(URL, {"limit": 2, "cursor": second["prev_cursor"]}).json()

        assert [item["id"] for item in first["data"] + second["data"]] == made
        assert (second["has_more"], back["data"]) == (False, first["data"])

    def test_filters_narrow(self, order: Any, owner: Any, client_of: Clients) -> None:
        wanted = make_packed_shipment(order, {1: 1})
        Shipment.objects.filter(pk=wanted.pk).update(tracking_number="EK 1/2")
        other = make_shipment(make_invoiced_order(owner))
        client = client_of(owner)

        for query in (
            {"status": "packed,delivered"},
            {"order_id": order.public_id},
            {"number": wanted.number.lower()},
            {"tracking_number": "EK 1/2"},
        ):
            assert ids_of(client.get(URL, query)) == [wanted.public_id], query
        assert ids_of(client.get(URL, {"created_at[gte]": other.created_at.isoformat()})) == [other.public_id]

    def test_filters_do_not_reveal_others(self, order: Any, stranger: Any, client_of: Clients) -> None:
        theirs = make_shipment(order)
        client = client_of(stranger)

        assert ids_of(client.get(URL, {"order_id": order.public_id})) == []
        assert ids_of(client.get(URL, {"number": theirs.number})) == []

    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ({"status": "sent"}, "invalid_filter"),
            ({"status": ""}, "invalid_filter"),
            ({"order_id": "shp_01jf3z8k4qe7tv2w9x0y1z2a3b"}, "invalid_filter"),
            ({"number": "SHP 1"}, "invalid_filter"),
            ({"tracking_number": ""}, "invalid_filter"),
            ({"tracking_number": "1" * 81}, "invalid_filter"),
            ({"created_at[gte]": "yesterday"}, "invalid_instant"),
            ({"carrier_name": "India Post"}, "unknown_parameter"),
        ],
    )
    def test_invalid_filter_is_refused(self, owner: Any, client_of: Clients, query: dict[str, str], code: str) -> None:
        answer = client_of(owner).get(URL, query)

        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["param"]) == (400, code, next(iter(query)))

    def test_query_count_is_constant(
        self, shop: Any, owner: Any, client_of: Clients, count_queries: Callable[[], Any]
    ) -> None:
        client = client_of(owner)
        order = make_invoiced_order(owner, [(make_variant(stock=50), 50)])
        make_shipment(order, {1: 1})
        with count_queries() as one:
            client.get(URL, {"limit": 100})
        for _ in range(49):
            make_shipment(order, {1: 1})

        with count_queries() as fifty:
            assert len(client.get(URL, {"limit": 100}).json()["data"]) == 50

        assert len(one) == len(fifty)
        assert len(one) <= 3


class TestRead:
    def test_owner_reads_it_with_its_lines(self, order: Any, owner: Any, client_of: Clients) -> None:
        shipment = make_dispatched_shipment(order)

        answer = client_of(owner).get(url_of(shipment))

        data = answer.json()
        assert answer["ETag"] == '"v3"'
        assert (data["object"], data["number"], data["status"]) == ("shipment", shipment.number, "dispatched")
        assert [line["quantity"] for line in data["lines"]] == [3, 2]
        assert data["dispatched_at"] is not None
        assert (data["delivered_at"], data["lost_at"], data["damaged_at"], data["cancelled_at"]) == (None,) * 4

    def test_does_not_exist_for_a_stranger(self, order: Any, stranger: Any, client_of: Clients) -> None:
        answer = client_of(stranger).get(url_of(make_shipment(order)))

        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "shipment_not_found")

    def test_is_304_for_those_who_have_it(self, order: Any, owner: Any, client_of: Clients) -> None:
        shipment = make_shipment(order)

        assert client_of(owner).get(url_of(shipment), headers={"If-None-Match": '"v1"'}).status_code == 304


class TestCreate:
    def test_takes_all_that_is_left(self, order: Any, support: Any, client_of: Clients) -> None:
        answer = post(client_of(support), URL, {"order_id": order.public_id})

        shipment = Shipment.objects.get()
        assert (answer.status_code, answer["ETag"]) == (201, '"v1"')
        assert answer["Location"] == url_of(shipment)
        assert [line["quantity"] for line in answer.json()["lines"]] == [3, 2]

    def test_takes_units_of_lines(self, order: Any, support: Any, client_of: Clients) -> None:
        line = order.lines.get(position=2)
        body = {"order_id": order.public_id, "lines": [{"order_line_id": line.public_id, "quantity": 1}]}

        answer = post(client_of(support), URL, body)

        assert [(one["order_line_id"], one["quantity"]) for one in answer.json()["lines"]] == [(line.public_id, 1)]

    def test_repeated_request_creates_one(self, order: Any, support: Any, client_of: Clients) -> None:
        client, line = client_of(support), order.lines.get(position=1)
        body = {"order_id": order.public_id, "lines": [{"order_line_id": line.public_id, "quantity": 1}]}

        first, again = post(client, URL, body), post(client, URL, body)

        assert (again.json(), again["Idempotent-Replayed"]) == (first.json(), "true")
        assert Shipment.objects.count() == 1

    def test_needs_a_key(self, order: Any, support: Any, client_of: Clients) -> None:
        client = client_of(support)

        with nothing_changes():
            answer = client.post(URL, {"order_id": order.public_id}, format="json")

        assert answer.json()["error"]["code"] == "idempotency_key_missing"

    def test_more_than_is_left_is_refused(self, order: Any, support: Any, client_of: Clients) -> None:
        line = order.lines.get(position=1)
        body = {"order_id": order.public_id, "lines": [{"order_line_id": line.public_id, "quantity": 4}]}
        client = client_of(support)

        with nothing_changes(but=KEPT_ANSWERS):
            answer = post(client, URL, body)

        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["param"]) == (409, "units_not_available", "lines[0].quantity")

    def test_unpaid_order_is_refused(self, shop: Any, owner: Any, support: Any, client_of: Clients) -> None:
        unpaid = make_order(owner)
        client = client_of(support)

        with nothing_changes(but=KEPT_ANSWERS):
            answer = post(client, URL, {"order_id": unpaid.public_id})

        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "order_not_shippable")

    def test_unknown_order_is_refused(self, support: Any, client_of: Clients) -> None:
        answer = post(client_of(support), URL, {"order_id": ids.encode("ord", ids.new())})

        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "order_not_found")

    @pytest.mark.parametrize("person", ["owner", "stranger", "finance", "catalogue_manager"])
    def test_others_may_not(self, person: str, order: Any, client_of: Clients, request: pytest.FixtureRequest) -> None:
        client = client_of(request.getfixturevalue(person))

        with nothing_changes():
            answer = post(client, URL, {"order_id": order.public_id})

        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")
        assert answer.json()["error"]["message"].startswith("Only staff who may add shipments can do this. ")


class TestSteps:
    def test_parcel_is_packed_dispatched_and_delivered(
        self, order: Any, shirt: Any, support: Any, client_of: Clients
    ) -> None:
        client, shipment = client_of(support), make_shipment(order)
        carrier = {"carrier_name": "Delhivery", "tracking_number": "DL1"}

        packed = post(client, url_of(shipment, "/pack"), key="key-of-packing")
        sent = post(client, url_of(shipment, "/dispatch"), carrier, key="key-of-dispatch")
        delivered = post(client, url_of(shipment, "/deliver"), key="key-of-delivery")

        assert [(one.status_code, one["ETag"], one.json()["status"]) for one in (packed, sent, delivered)] == [
            (200, '"v2"', "packed"), (200, '"v3"', "dispatched"), (200, '"v4"', "delivered"),
        ]  # fmt: skip
        assert (sent.json()["carrier_name"], sent.json()["tracking_number"]) == ("Delhivery", "DL1")
        assert Order.objects.get(pk=order.pk).status == "completed"
        assert stock_of(shirt).on_hand == 7
        assert set(Event.objects.filter(subject_id=shipment.pk, version__gt=1).values_list("actor", flat=True)) == {
            f"user:{support.public_id}"
        }

    def test_repeated_dispatch_takes_the_stock_once(
        self, order: Any, shirt: Any, support: Any, client_of: Clients
    ) -> None:
        client, shipment = client_of(support), make_packed_shipment(order)

        first, again = (post(client, url_of(shipment, "/dispatch")) for _ in range(2))

        assert (first.status_code, again.json(), stock_of(shirt).on_hand) == (200, first.json(), 7)

    @pytest.mark.parametrize(("step", "status"), [("mark-lost", "lost"), ("mark-damaged", "damaged")])
    def test_parcel_is_lost_or_damaged(
        self, step: str, status: str, order: Any, support: Any, client_of: Clients
    ) -> None:
        shipment = make_dispatched_shipment(order)

        answer = post(client_of(support), url_of(shipment, f"/{step}"), {"reason": "It fell into water"})

        assert (answer.json()["status"], answer.json()[f"{status}_at"] is not None) == (status, True)
        event = Event.objects.get(type=f"fulfilment.shipment.{status}")
        assert event.reason == "It fell into water"

    def test_parcel_is_cancelled_before_dispatch(self, order: Any, support: Any, client_of: Clients) -> None:
        shipment = make_packed_shipment(order)

        answer = post(client_of(support), url_of(shipment, "/cancel"), {"reason": "Two parcels become one"})

        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")

    @pytest.mark.parametrize("step", ["/dispatch", "/deliver", "/mark-lost", "/mark-damaged"])
    def test_step_out_of_turn_is_refused(self, step: str, order: Any, support: Any, client_of: Clients) -> None:
        shipment = make_shipment(order)
        client = client_of(support)

        with nothing_changes(but=KEPT_ANSWERS):
            answer = post(client, url_of(shipment, step))

        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "invalid_transition")

    def test_dispatched_parcel_is_not_cancelled(self, order: Any, support: Any, client_of: Clients) -> None:
        shipment = make_dispatched_shipment(order)
        client = client_of(support)

        with nothing_changes(but=KEPT_ANSWERS):
            answer = post(client, url_of(shipment, "/cancel"))

        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "invalid_transition")

    def test_dispatch_needs_a_key(self, order: Any, support: Any, client_of: Clients) -> None:
        shipment = make_packed_shipment(order)
        client = client_of(support)

        with nothing_changes():
            answer = client.post(url_of(shipment, "/dispatch"), {}, format="json")

        assert answer.json()["error"]["code"] == "idempotency_key_missing"

    @pytest.mark.parametrize("step", ["pack", "dispatch", "deliver", "mark-lost", "mark-damaged", "cancel"])
    @pytest.mark.parametrize("person", ["owner", "stranger", "finance", "catalogue_manager"])
    def test_others_may_not(
        self, step: str, person: str, order: Any, client_of: Clients, request: pytest.FixtureRequest
    ) -> None:
        shipment, client = make_shipment(order), client_of(request.getfixturevalue(person))

        with nothing_changes():
            assert post(client, url_of(shipment, f"/{step}")).status_code == 403

    def test_unknown_shipment_is_not_found(self, support: Any, client_of: Clients) -> None:
        answer = post(client_of(support), f"{URL}/{ids.encode('shp', ids.new())}/pack")

        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "shipment_not_found")


class TestChangeCarrier:
    def test_changes_what_is_sent_alone(self, order: Any, support: Any, client_of: Clients) -> None:
        client, shipment = client_of(support), make_shipment(order)

        first = client.patch(
            url_of(shipment), {"carrier_name": "India Post"}, format="json", headers={"If-Match": '"v1"'}
        )
        second = client.patch(
            url_of(shipment), {"tracking_number": "EE1"}, format="json", headers={"If-Match": first["ETag"]}
        )

        assert (second["ETag"], second.json()["carrier_name"], second.json()["tracking_number"]) == (
            '"v3"',
            "India Post",
            "EE1",
        )

    @pytest.mark.parametrize(
        ("headers", "status", "code"),
        [({}, 428, "precondition_required"), ({"If-Match": '"v7"'}, 412, "version_mismatch")],
    )
    def test_needs_the_present_version(
        self, headers: dict[str, str], status: int, code: str, order: Any, support: Any, client_of: Clients
    ) -> None:
        shipment = make_shipment(order)
        client = client_of(support)

        with nothing_changes():
            answer = client.patch(url_of(shipment), {"carrier_name": "India Post"}, format="json", headers=headers)

        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)

    def test_delivered_parcel_keeps_its_carrier(self, order: Any, support: Any, client_of: Clients) -> None:
        shipment = make_dispatched_shipment(order)
        client = client_of(support)
        post(client, url_of(shipment, "/deliver"))

        with nothing_changes():
            answer = client.patch(
                url_of(shipment), {"carrier_name": "India Post"}, format="json", headers={"If-Match": "*"}
            )

        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "invalid_transition")

    @pytest.mark.parametrize("person", ["owner", "stranger", "finance"])
    def test_others_may_not(self, person: str, order: Any, client_of: Clients, request: pytest.FixtureRequest) -> None:
        shipment, client = make_shipment(order), client_of(request.getfixturevalue(person))

        with nothing_changes():
            answer = client.patch(url_of(shipment), {"carrier_name": "X"}, format="json", headers={"If-Match": "*"})

        assert answer.status_code == 403


class TestTheOrder:
    def test_shows_how_far_it_is_sent(self, order: Any, owner: Any, client_of: Clients) -> None:
        make_dispatched_shipment(order, {1: 1})

        shown = client_of(owner).get(f"/api/v1/orders/{order.public_id}").json()

        assert (shown["status"], shown["fulfilment_status"]) == ("in_fulfilment", "partial")
        assert (shown["completed_at"], shown["closed_at"]) == (None, None)

    def test_timeline_names_its_parcels(self, order: Any, owner: Any, client_of: Clients) -> None:
        make_dispatched_shipment(order)

        entries = client_of(owner).get(f"/api/v1/orders/{order.public_id}/timeline").json()["data"]

        assert [entry["text"] for entry in entries if entry["type"].startswith("shipment")] == [
            "A parcel was packed.",
            "A parcel is on its way.",
        ]
