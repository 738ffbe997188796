from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import override_settings
from django.utils import timezone
from rest_framework.test import APIClient

from apps.core import ids
from apps.core.events import SYSTEM
from apps.core.models import Event, IdempotencyKey
from apps.orders import locks, services
from apps.orders.models import Order
from tests.factories.accounts import make_address, make_user
from tests.factories.catalog import make_variant
from tests.factories.orders import make_order
from tests.factories.payments import pay
from tests.support.events import record_event
from tests.support.queue_waits import published_waits
from tests.support.stock import plant_stock, stock_of
from tests.support.stored_rows import nothing_changes

pytestmark = pytest.mark.django_db

ClientOf = Callable[[Any], APIClient]
ORDERS = "/api/v1/orders"


def body_for(customer: Any, *lines: tuple[Any, int], **more: Any) -> dict[str, Any]:
    lines = lines or ((make_variant(price=49_900), 2),)
    return {
        "lines": [{"variant_id": variant.public_id, "quantity": quantity} for variant, quantity in lines],
        "shipping_address_id": make_address(customer).public_id,
        **more,
    }


def place(client: APIClient, body: Any, key: str = "key-of-this-order") -> Any:
    return client.post(ORDERS, body, format="json", headers={"Idempotency-Key": key})


@override_settings(MAX_QUEUE_WAIT_SECONDS={"buyer": 20})
def test_no_order_is_placed_while_buyers_wait_too_long_and_the_same_request_is_taken_later(
    owner: Any, client_of: ClientOf
) -> None:
    client, body = client_of(owner), body_for(owner)
    with published_waits(buyer=21.0), nothing_changes():
        refused = place(client, body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "overloaded")

    with published_waits(buyer=20.0):
        taken = place(client, body)

    assert (taken.status_code, taken.get("Idempotent-Replayed")) == (201, None)


def url_of(order: Order, action: str = "") -> str:
    return f"{ORDERS}/{order.public_id}{action}"


class TestPlace:
    def test_answers_with_the_order(self, owner: Any, client_of: ClientOf) -> None:
        variant = make_variant(price=49_900, title="Indigo, M")

        response = place(client_of(owner), body_for(owner, (variant, 2), note="Ring twice"))

        order = Order.objects.get()
        assert response.status_code == 201
        assert response["Location"] == url_of(order)
        assert response["ETag"] == '"v1"'
        data = response.json()
        assert (data["id"], data["object"], data["number"]) == (order.public_id, "order", order.number)
        assert (data["status"], data["payment_status"]) == ("pending_payment", "unpaid")
        assert (data["customer_id"], data["note"], data["version"], data["metadata"]) == (
            owner.public_id,
            "Ring twice",
            1,
            {},
        )
        assert (data["taxable_amount"], data["igst_amount"], data["round_off_amount"]) == (84_576, 15_224, 0)
        assert (data["total_amount"], data["paid_amount"], data["currency"]) == (99_800, 0, "INR")
        assert data["shipping_address"]["state_name"] == "Karnataka"
        assert data["place_of_supply"] == {
            "state": "29",
            "state_name": "Karnataka",
            "reason": "consumer_delivery_address",
            "section": "IGST Act 2017, section 10(1)(ca)",
            "explanation": "The buyer is not registered and the delivery address is in Karnataka.",
        }
        [line] = data["lines"]
        assert (line["object"], line["variant_id"], line["quantity"]) == ("order_line", variant.public_id, 2)
        assert (line["unit_price"], line["tax_rate"], line["igst_amount"]) == (49_900, 1800, 15_224)

    def test_requires_idempotency_key(self, owner: Any, client_of: ClientOf) -> None:
        response = client_of(owner).post(ORDERS, body_for(owner), format="json")

        assert (response.status_code, response.json()["error"]["code"]) == (400, "idempotency_key_missing")
        assert not Order.objects.exists()

    def test_same_key_replays_the_response(self, owner: Any, client_of: ClientOf) -> None:
        body = body_for(owner)

        first = place(client_of(owner), body)
        again = place(client_of(owner), body)

        assert Order.objects.count() == 1
        assert again.json() == first.json()
        assert (again.status_code, again["Location"], again["ETag"]) == (201, first["Location"], first["ETag"])
        assert again["Idempotent-Replayed"] == "true"

    def test_refuses_a_key_that_was_used_for_another_order(self, owner: Any, client_of: ClientOf) -> None:
        place(client_of(owner), body_for(owner))

        response = place(client_of(owner), body_for(owner))

        assert (response.status_code, response.json()["error"]["code"]) == (422, "idempotency_key_reused")
        assert Order.objects.count() == 1

    def test_idempotency_keys_are_per_customer(self, owner: Any, stranger: Any, client_of: ClientOf) -> None:
        place(client_of(owner), body_for(owner))

        assert place(client_of(stranger), body_for(stranger)).status_code == 201
        assert Order.objects.count() == 2

    @pytest.mark.parametrize(
        "field",
        [
            "status",
            "total_amount",
            "unit_price",
            "discount_amount",
            "shipping_amount",
            "customer_id",
            "number",
            "metadata",
        ],
    )
    def test_takes_no_price_and_no_state_from_the_client(self, owner: Any, client_of: ClientOf, field: str) -> None:
        response = place(client_of(owner), body_for(owner, **{field: 1}))

        error = response.json()["error"]
        assert (response.status_code, error["code"], error["param"]) == (400, "unknown_field", field)
        assert not Order.objects.exists()

    def test_takes_no_price_of_a_line_from_the_client(self, owner: Any, client_of: ClientOf) -> None:
        body = body_for(owner)
        body["lines"][0]["unit_price"] = 1

        response = place(client_of(owner), body)

        error = response.json()["error"]
        assert (response.status_code, error["code"], error["param"]) == (400, "unknown_field", "lines[0].unit_price")

    @pytest.mark.parametrize("quantity", [0, -1, 1001, 10**17, "2", 1.0, True, None])
    def test_quantity_must_be_a_positive_integer(self, owner: Any, client_of: ClientOf, quantity: Any) -> None:
        body = body_for(owner)
        body["lines"][0]["quantity"] = quantity

        response = place(client_of(owner), body)

        assert (response.status_code, response.json()["error"]["param"]) == (400, "lines[0].quantity")
        assert not Order.objects.exists()

    @pytest.mark.parametrize("lines", [[], None, "x", {}, [1], [[]], [{}]])
    def test_lines_must_be_a_list_of_objects(self, owner: Any, client_of: ClientOf, lines: Any) -> None:
        response = place(client_of(owner), body_for(owner) | {"lines": lines})

        assert response.status_code == 400
        assert response.json()["error"]["param"].startswith("lines")

    def test_takes_a_hundred_lines_and_no_more(self, owner: Any, client_of: ClientOf) -> None:
        variant = make_variant(stock=1_000, price=100)

        assert place(client_of(owner), body_for(owner, *[(variant, 1)] * 101)).status_code == 400
        assert place(client_of(owner), body_for(owner, *[(variant, 1)] * 100)).status_code == 201

    @pytest.mark.parametrize("name", ["shipping_address_id", "billing_address_id"])
    def test_address_of_another_customer_is_not_found(
        self, owner: Any, stranger: Any, client_of: ClientOf, name: str
    ) -> None:
        foreign = make_address(stranger).public_id
        absent = ids.encode("addr", ids.new())

        answers = [place(client_of(owner), body_for(owner, **{name: address})) for address in (foreign, absent)]

        assert [answer.status_code for answer in answers] == [404, 404]
        errors = [{**answer.json()["error"], "request_id": ""} for answer in answers]
        assert errors[0] == errors[1]
        assert errors[0]["param"] == name
        assert not Order.objects.exists()

    def test_id_with_wrong_prefix_is_refused(self, owner: Any, client_of: ClientOf) -> None:
        response = place(client_of(owner), body_for(owner, shipping_address_id=make_variant().public_id))

        assert (response.status_code, response.json()["error"]["code"]) == (400, "not_an_id")

    def test_says_what_is_not_for_sale(self, owner: Any, client_of: ClientOf) -> None:
        response = place(client_of(owner), body_for(owner, (make_variant(), 1), (make_variant(is_active=False), 1)))

        error = response.json()["error"]
        assert (response.status_code, error["code"], error["param"]) == (
            404,
            "variant_not_for_sale",
            "lines[1].variant_id",
        )

    def test_a_refusal_for_stock_changes_nothing_and_is_kept(self, owner: Any, client_of: ClientOf) -> None:
        variant = make_variant(stock=1)
        body = body_for(owner, (variant, 2))

        response = place(client_of(owner), body)
        plant_stock(variant, on_hand=5)
        again = place(client_of(owner), body)

        error = response.json()["error"]
        assert (response.status_code, error["code"], error["param"]) == (409, "insufficient_stock", "lines[0].quantity")
        assert error["details"][0]["available"] == 1
        assert (again.status_code, again.json()) == (409, response.json())
        assert again["Idempotent-Replayed"] == "true"
        assert not Order.objects.exists()
        assert not Event.objects.exists()
        assert stock_of(variant).reserved == 0

    def test_a_refusal_for_the_body_frees_the_key(self, owner: Any, client_of: ClientOf) -> None:
        place(client_of(owner), body_for(owner, note=5))

        assert not IdempotencyKey.objects.exists()
        assert place(client_of(owner), body_for(owner)).status_code == 201

    def test_requires_authentication(self, owner: Any, anonymous: APIClient) -> None:
        assert place(anonymous, body_for(owner)).status_code == 401
        assert not Order.objects.exists()

    def test_query_count_is_constant(self, owner: Any, client_of: ClientOf, count_queries: Any) -> None:
        client = client_of(owner)
        one, twenty = body_for(owner), body_for(owner, *[(make_variant(), 1) for _ in range(20)])
        place(client, body_for(owner), key="the-first-warms-up")

        with count_queries() as for_one:
            place(client, one, key="one-line-0001")
        with count_queries() as for_twenty:
            place(client, twenty, key="twenty-lines-0001")

        # Eight of them open and close savepoints; two lock the customer and count what they hold unpaid.
        assert len(for_twenty) == len(for_one) <= 27


@pytest.mark.usefixtures("compared_with_rest_framework")
class TestQuote:
    def test_explains_itself(self, owner: Any, client_of: ClientOf) -> None:
        variant = make_variant(price=49_900, stock=1)

        response = client_of(owner).post(f"{ORDERS}/quote", body_for(owner, (variant, 2)), format="json")

        data = response.json()
        assert response.status_code == 200
        assert (data["object"], data["total_amount"], data["igst_amount"]) == ("quote", 99_800, 15_224)
        assert data["place_of_supply"]["section"] == "IGST Act 2017, section 10(1)(ca)"
        [line] = data["lines"]
        assert (line["taxable_amount"], line["tax_rate"], line["igst_amount"], line["total_amount"]) == (
            84_576,
            1800,
            15_224,
            99_800,
        )
        assert line["is_available"] is False
        assert not Order.objects.exists()
        assert stock_of(variant).reserved == 0

    def test_takes_the_body_of_an_order_with_its_note(self, owner: Any, client_of: ClientOf) -> None:
        body = body_for(owner)
        quote = client_of(owner).post(f"{ORDERS}/quote", {**body, "note": "Ring twice."}, format="json")

        assert quote.status_code == 200
        assert quote.json() == client_of(owner).post(f"{ORDERS}/quote", body, format="json").json()

    def test_takes_no_price_from_the_client(self, owner: Any, client_of: ClientOf) -> None:
        response = client_of(owner).post(f"{ORDERS}/quote", body_for(owner, total_amount=1), format="json")

        assert (response.status_code, response.json()["error"]["code"]) == (400, "unknown_field")

    def test_address_of_another_customer_is_not_found(self, owner: Any, stranger: Any, client_of: ClientOf) -> None:
        response = client_of(stranger).post(f"{ORDERS}/quote", body_for(owner), format="json")

        assert response.status_code == 404

    def test_requires_authentication(self, owner: Any, anonymous: APIClient) -> None:
        assert anonymous.post(f"{ORDERS}/quote", body_for(owner), format="json").status_code == 401


class TestList:
    def test_shows_customers_their_own_and_staff_all(
        self, owner: Any, stranger: Any, support: Any, client_of: ClientOf
    ) -> None:
        mine, theirs = make_order(owner), make_order(stranger)

        def listed(user: Any) -> list[str]:
            return [order["id"] for order in client_of(user).get(ORDERS).json()["data"]]

        assert listed(owner) == [mine.public_id]
        assert listed(stranger) == [theirs.public_id]
        assert listed(support) == [theirs.public_id, mine.public_id]

    def test_shows_staff_without_the_permission_nothing_of_others(
        self, owner: Any, catalogue_manager: Any, client_of: ClientOf
    ) -> None:
        order = make_order(owner)

        assert client_of(catalogue_manager).get(ORDERS).json()["data"] == []
        assert client_of(catalogue_manager).get(url_of(order)).status_code == 404

    def test_filters_by_state(self, owner: Any, client_of: ClientOf) -> None:
        waiting, cancelled = make_order(owner), make_order(owner)
        services.cancel_unpaid_order(order_id=cancelled.pk, actor=SYSTEM, reason="", now=timezone.now())

        def numbers(status: str) -> list[str]:
            return [order["number"] for order in client_of(owner).get(ORDERS, {"status": status}).json()["data"]]

        assert numbers("cancelled") == [cancelled.number]
        assert numbers("cancelled,pending_payment") == [cancelled.number, waiting.number]
        assert numbers("confirmed") == []

    def test_is_narrowed_by_number_customer_and_phone(
        self, owner: Any, stranger: Any, support: Any, client_of: ClientOf
    ) -> None:
        mine, _ = make_order(owner), make_order(stranger)
        client = client_of(support)

        def listed(**params: str) -> list[str]:
            return [order["id"] for order in client.get(ORDERS, params).json()["data"]]

        assert listed(number=mine.number) == listed(number=mine.number.lower()) == [mine.public_id]
        assert listed(number="ORD-2627-999999") == []
        assert listed(customer_id=owner.public_id) == [mine.public_id]
        assert listed(phone="+919876543210") == listed(phone="98765 43210") == [mine.public_id]
        assert listed(phone="9999999999") == []
        assert listed(customer_id=owner.public_id, phone="9812345678") == []

    def test_finds_what_people_type(self, owner: Any, stranger: Any, support: Any, client_of: ClientOf) -> None:
        address = make_address(owner, name="Meera Iyer", phone="+919000000001")
        elsewhere = make_address(stranger, name="Bala Rao", phone="+919812345678")
        mine, _ = make_order(owner, address=address), make_order(stranger, address=elsewhere)
        client = client_of(support)

        def found(words: str) -> list[str]:
            return [order["id"] for order in client.get(ORDERS, {"q": words}).json()["data"]]

        last_digits = mine.number.rpartition("-")[2]
        assert found(mine.number.lower()) == [mine.public_id]
        assert found(last_digits) == found(f"# {last_digits}") == found(mine.public_id) == [mine.public_id]
        assert found("98765 43210") == found("98765/43210") == found("+919000000001") == [mine.public_id]
        assert found("eera iy") == [mine.public_id]
        assert found("nobody@example.in") == found("nobody") == found("99999") == []

    def test_finds_an_order_by_one_digit(self, owner: Any, support: Any, client_of: ClientOf) -> None:
        third, thirteenth = make_order(owner), make_order(owner)
        Order.objects.filter(pk=third.pk).update(number="ORD-2627-000003")
        Order.objects.filter(pk=thirteenth.pk).update(number="ORD-2627-000013")

        response = client_of(support).get(ORDERS, {"q": "3"})

        assert [order["id"] for order in response.json()["data"]] == [third.public_id]

    def test_finds_nothing_of_others_for_customers(self, owner: Any, stranger: Any, client_of: ClientOf) -> None:
        theirs = make_order(stranger)
        client = client_of(owner)

        for params in (
            {"number": theirs.number}, {"customer_id": stranger.public_id}, {"phone": "9812345678"}, {"q": theirs.number},
            {"q": theirs.public_id},
        ):  # fmt: skip
            assert client.get(ORDERS, params).json()["data"] == []

    def test_filters_by_time(self, owner: Any, client_of: ClientOf) -> None:
        first, second = make_order(owner), make_order(owner)

        def numbers(**params: str) -> list[str]:
            response = client_of(owner).get(ORDERS, params)
            return [order["number"] for order in response.json()["data"]]

        at = second.created_at.isoformat()
        assert numbers(**{"created_at[gte]": at}) == [second.number]
        assert numbers(**{"created_at[lt]": at}) == [first.number]

    def test_pages_in_both_directions(self, owner: Any, client_of: ClientOf) -> None:
        orders = [make_order(owner) for _ in range(5)]
        client = client_of(owner)

        first = client.get(ORDERS, {"limit": 2}).json()
        second = client.get(ORDERS, {"limit": 2, "cursor": first["next_cursor"]}).json()
        back = client.get(ORDERS, {"limit": 2, "cursor": second["prev_cursor"]}).json()
        oldest = client.get(ORDERS, {"limit": 1, "sort": "created_at"}).json()

        newest_first = [order.public_id for order in reversed(orders)]
        assert [order["id"] for order in first["data"]] == newest_first[:2]
        assert [order["id"] for order in second["data"]] == newest_first[2:4]
        assert back["data"] == first["data"]
        assert (first["has_more"], first["prev_cursor"]) == (True, None)
        assert oldest["data"][0]["id"] == orders[0].public_id

    def test_a_cursor_is_for_its_owner_and_its_filters(self, owner: Any, stranger: Any, client_of: ClientOf) -> None:
        for _ in range(2):
            make_order(owner)
        cursor = client_of(owner).get(ORDERS, {"limit": 1}).json()["next_cursor"]

        for client, params in [(client_of(stranger), {}), (client_of(owner), {"status": "confirmed"})]:
            response = client.get(ORDERS, {"cursor": cursor, **params})
            assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_cursor")

    @pytest.mark.parametrize(
        ("params", "code"),
        [
            ({"status": "paid"}, "invalid_order_status"),
            ({"status": ""}, "invalid_order_status"),
            ({"status": "confirmed,"}, "invalid_order_status"),
            ({"status": "," * 10_000}, "invalid_order_status"),
            ({"created_at[gte]": "yesterday"}, "invalid_instant"),
            ({"created_at[gte]": "2026-11-21"}, "invalid_instant"),
            ({"created_at[gte]": "2026-11-21T05:30:00"}, "invalid_instant"),
            ({"created_at[lt]": "2026-02-29T00:00:00Z"}, "invalid_instant"),
            ({"created_at[lt]": "0001-01-01T00:00:00+05:30"}, "invalid_instant"),
            ({"created_at[lt]": "9999-12-31T23:59:59-12:00"}, "invalid_instant"),
            ({"sort": "total_amount"}, "invalid_sort"),
            ({"limit": "0"}, "invalid_limit"),
            ({"limit": "101"}, "invalid_limit"),
            ({"sort": ""}, "invalid_sort"),
            ({"number": ""}, "invalid_order_number"),
            ({"number": "ORD 1"}, "invalid_order_number"),
            ({"customer_id": "x"}, "invalid_customer_id"),
            ({"phone": "1"}, "invalid_phone"),
            ({"q": " a "}, "query_length_out_of_range"),
            ({"q": "a" * 101}, "query_length_out_of_range"),
            ({"customer": "x"}, "unknown_parameter"),
            ({"customer__password": "x"}, "unknown_parameter"),
        ],
    )
    def test_unknown_parameters_are_refused(
        self, owner: Any, client_of: ClientOf, params: dict[str, str], code: str
    ) -> None:
        response = client_of(owner).get(ORDERS, params)

        assert (response.status_code, response.json()["error"]["code"]) == (400, code)

    @pytest.mark.parametrize("who", ["owner", "support"])
    def test_query_count_is_constant(
        self, request: pytest.FixtureRequest, owner: Any, client_of: ClientOf, count_queries: Any, who: str
    ) -> None:
        client = client_of(request.getfixturevalue(who))
        variant, address = make_variant(stock=100), make_address(owner)
        make_order(owner, [variant], address=address)
        with count_queries() as for_one:
            client.get(ORDERS, {"limit": 100})
        for _ in range(49):
            make_order(owner, [variant], address=address)

        with count_queries() as for_fifty:
            response = client.get(ORDERS, {"limit": 100})

        assert len(response.json()["data"]) == 50
        assert len(for_fifty) == len(for_one) <= 4

    def test_requires_authentication(self, anonymous: APIClient) -> None:
        assert anonymous.get(ORDERS).status_code == 401


class TestRead:
    def test_shows_everything_that_was_agreed(self, owner: Any, client_of: ClientOf) -> None:
        variants = [make_variant() for _ in range(3)]
        order = make_order(owner, variants)

        response = client_of(owner).get(url_of(order))

        assert (response.status_code, response["ETag"]) == (200, '"v1"')
        assert response["Cache-Control"] == "private, no-store"
        assert [line["variant_id"] for line in response.json()["lines"]] == [variant.public_id for variant in variants]

    def test_answers_304_until_something_happens(self, owner: Any, client_of: ClientOf) -> None:
        order = make_order(owner)
        client = client_of(owner)

        same = client.get(url_of(order), headers={"If-None-Match": '"v1"'})
        services.cancel_unpaid_order(order_id=order.pk, actor=SYSTEM, reason="", now=timezone.now())
        changed = client.get(url_of(order), headers={"If-None-Match": '"v1"'})

        assert (same.status_code, same.content) == (304, b"")
        assert (changed.status_code, changed["ETag"], changed.json()["status"]) == (200, '"v2"', "cancelled")

    def test_derives_the_payment_status(self, owner: Any, client_of: ClientOf) -> None:
        order = make_order(owner)
        now = timezone.now()

        services.update_payment_totals(
            order=locks.lock_order(order.pk),
            paid_amount=0,
            payment_live_until=now + timedelta(minutes=9),
            is_payment_processing=True,
            actor=SYSTEM,
            now=now,
        )
        processing = client_of(owner).get(url_of(order)).json()
        services.update_payment_totals(
            order=locks.lock_order(order.pk),
            paid_amount=49_900,
            payment_live_until=None,
            is_payment_processing=False,
            actor=SYSTEM,
            now=now,
        )
        paid = client_of(owner).get(url_of(order)).json()

        assert (processing["status"], processing["payment_status"]) == ("pending_payment", "processing")
        assert (paid["status"], paid["payment_status"], paid["paid_amount"]) == ("confirmed", "paid", 49_900)

    def test_is_not_found_for_a_stranger(self, owner: Any, stranger: Any, client_of: ClientOf) -> None:
        order = make_order(owner)

        foreign = client_of(stranger).get(url_of(order))
        absent = client_of(stranger).get(f"{ORDERS}/{ids.encode('ord', ids.new())}")

        assert (foreign.status_code, absent.status_code) == (404, 404)
        assert foreign.json()["error"]["code"] == absent.json()["error"]["code"] == "order_not_found"

    @pytest.mark.parametrize(
        "text", ["x", "ord_", "ord_zzzzzzzzzzzzzzzzzzzzzzzzzz", "cus_01jf3z8k4qe7tv2w9x0y1z2a3b", "1"]
    )
    def test_an_id_that_is_none_is_not_found(self, owner: Any, client_of: ClientOf, text: str) -> None:
        assert client_of(owner).get(f"{ORDERS}/{text}").status_code == 404

    def test_requires_authentication(self, owner: Any, anonymous: APIClient) -> None:
        assert anonymous.get(url_of(make_order(owner))).status_code == 401


class TestCancel:
    def test_closes_the_order(self, owner: Any, client_of: ClientOf) -> None:
        order = make_order(owner)

        response = client_of(owner).post(url_of(order, "/cancel"), {"reason": "By mistake"}, format="json")

        data = response.json()
        assert (response.status_code, response["ETag"]) == (200, '"v2"')
        assert (data["status"], data["cancel_reason"], data["refunds"]) == ("cancelled", "By mistake", [])

    def test_needs_no_reason(self, owner: Any, client_of: ClientOf) -> None:
        assert client_of(owner).post(url_of(make_order(owner), "/cancel"), {}, format="json").status_code == 200

    def test_may_be_sent_again_with_its_key(self, owner: Any, client_of: ClientOf) -> None:
        order = make_order(owner)
        sent = {"data": {"reason": "x"}, "format": "json", "headers": {"Idempotency-Key": "cancel-0001"}}

        first = client_of(owner).post(url_of(order, "/cancel"), **sent)
        again = client_of(owner).post(url_of(order, "/cancel"), **sent)

        assert (first.status_code, again.status_code, again.json()) == (200, 200, first.json())
        assert Event.objects.filter(type="orders.order.cancelled").count() == 1

    def test_refuses_while_part_of_the_money_has_moved(self, owner: Any, client_of: ClientOf) -> None:
        order = make_order(owner)
        services.update_payment_totals(
            order=locks.lock_order(order.pk),
            paid_amount=100,
            payment_live_until=None,
            actor=SYSTEM,
            now=timezone.now(),
        )

        response = client_of(owner).post(url_of(order, "/cancel"), {"reason": ""}, format="json")

        assert (response.status_code, response.json()["error"]["code"]) == (409, "order_not_cancellable")
        assert Order.objects.get(pk=order.pk).status == "pending_payment"

    def test_is_not_found_for_a_stranger(self, owner: Any, stranger: Any, client_of: ClientOf) -> None:
        order = make_order(owner)

        response = client_of(stranger).post(url_of(order, "/cancel"), {"reason": ""}, format="json")

        assert response.status_code == 404
        assert Order.objects.get(pk=order.pk).status == "pending_payment"

    def test_is_for_staff_who_may_change_orders(
        self, owner: Any, support: Any, finance: Any, client_of: ClientOf
    ) -> None:
        order = make_order(owner)

        refused = client_of(finance).post(url_of(order, "/cancel"), {"reason": ""}, format="json")
        done = client_of(support).post(url_of(order, "/cancel"), {"reason": "Asked by phone"}, format="json")

        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "order_change_forbidden")
        assert done.status_code == 200
        assert Event.objects.get(type="orders.order.cancelled").actor == f"user:{support.public_id}"

    @pytest.mark.parametrize(
        "body", [{"status": "cancelled"}, {"reason": 5}, {"reason": "x" * 201}, {"reason": "a\u0000b"}]
    )
    def test_reason_must_be_text(self, owner: Any, client_of: ClientOf, body: dict[str, Any]) -> None:
        order = make_order(owner)

        assert client_of(owner).post(url_of(order, "/cancel"), body, format="json").status_code == 400
        assert Order.objects.get(pk=order.pk).status == "pending_payment"

    def test_requires_authentication(self, owner: Any, anonymous: APIClient) -> None:
        assert anonymous.post(url_of(make_order(owner), "/cancel"), {}, format="json").status_code == 401


class TestTimeline:
    def test_lists_events_without_names(self, owner: Any, support: Any, client_of: ClientOf) -> None:
        order = make_order(owner)
        client_of(support).post(url_of(order, "/cancel"), {"reason": "Suspicious"}, format="json")

        response = client_of(owner).get(url_of(order, "/timeline"))

        entries = response.json()["data"]
        assert response.status_code == 200
        assert [(entry["type"], entry["text"], entry["actor"]) for entry in entries] == [
            ("order.placed", "The order was placed.", "customer"),
            ("order.cancelled", "The order was cancelled.", "staff"),
        ]
        assert set(entries[0]) == {"id", "object", "type", "at", "text", "actor", "money", "document", "message"}
        assert b"Suspicious" not in response.content

    def test_includes_events_of_other_apps(self, owner: Any, support: Any, client_of: ClientOf) -> None:
        order = make_order(owner)
        record_event("payments.payment.created", subject=make_user(), actor=SYSTEM, changes={"x": 1}, root_id=order.pk)
        record_event("payments.attempt.review_opened", subject=make_user(), actor=SYSTEM, changes={}, root_id=order.pk)

        def types(user: Any) -> list[str]:
            return [entry["type"] for entry in client_of(user).get(url_of(order, "/timeline")).json()["data"]]

        assert types(owner) == ["order.placed", "payment.created"]
        assert types(support) == ["order.placed", "payment.created", "attempt.review_opened"]

    def test_is_paginated_with_constant_query_count(self, owner: Any, client_of: ClientOf, count_queries: Any) -> None:
        order = make_order(owner)
        client = client_of(owner)
        with count_queries() as for_one:
            client.get(url_of(order, "/timeline"))
        for _ in range(49):
            record_event("payments.payment.created", subject=make_user(), actor=SYSTEM, changes={}, root_id=order.pk)

        with count_queries() as for_fifty:
            whole = client.get(url_of(order, "/timeline"), {"limit": 100}).json()
        first = client.get(url_of(order, "/timeline"), {"limit": 30}).json()
        rest = client.get(url_of(order, "/timeline"), {"limit": 30, "cursor": first["next_cursor"]}).json()

        assert len(whole["data"]) == 50
        assert len(for_fifty) == len(for_one)
        assert first["data"] + rest["data"] == whole["data"]
        assert rest["has_more"] is False

    def test_is_not_found_for_a_stranger(self, owner: Any, stranger: Any, client_of: ClientOf) -> None:
        assert client_of(stranger).get(url_of(make_order(owner), "/timeline")).status_code == 404

    def test_requires_authentication(self, owner: Any, anonymous: APIClient) -> None:
        assert anonymous.get(url_of(make_order(owner), "/timeline")).status_code == 401


class TestAsOf:
    def test_shows_the_order_as_it_stood(self, owner: Any, client_of: ClientOf) -> None:
        placed_at = timezone.now() - timedelta(hours=2)
        order = make_order(owner, now=placed_at)
        cancelled_at = placed_at + timedelta(minutes=10)
        services.cancel_unpaid_order(order_id=order.pk, actor=SYSTEM, reason="no", now=cancelled_at)
        client = client_of(owner)

        def at(instant: datetime) -> dict[str, Any]:
            return client.get(url_of(order), {"as_of": instant.isoformat()}).json()

        before, after, now = at(cancelled_at - timedelta(seconds=1)), at(cancelled_at), client.get(url_of(order)).json()
        assert (before["status"], before["version"], before["cancelled_at"]) == ("pending_payment", 1, None)
        assert before["lines"] == now["lines"]
        assert (before["id"], before["number"], before["total_amount"]) == (
            now["id"],
            now["number"],
            now["total_amount"],
        )
        assert (after["status"], after["version"], after["cancel_reason"]) == ("cancelled", 2, "no")
        assert after == now

    def test_its_own_instants_give_the_states_that_they_name(self, owner: Any, client_of: ClientOf) -> None:
        with time_machine.travel(datetime(2026, 11, 21, 5, 30, 0, 123_987, tzinfo=UTC), tick=False) as traveller:
            client = client_of(owner)
            placed = place(client, body_for(owner)).json()
            traveller.shift(timedelta(seconds=5, microseconds=700))
            url = f"{ORDERS}/{placed['id']}"
            cancelled = client.post(f"{url}/cancel", {"reason": "no"}, format="json").json()

            assert (placed["created_at"], placed["updated_at"]) == ("2026-11-21T05:30:00.123Z",) * 2
            assert cancelled["updated_at"] == cancelled["cancelled_at"] == "2026-11-21T05:30:05.124Z"
            now = client.get(url).json()
            assert client.get(url, {"as_of": placed["created_at"]}).json() == placed
            assert client.get(url, {"as_of": "2026-11-21T05:30:05.123Z"}).json() == placed
            assert client.get(url, {"as_of": now["updated_at"]}).json() == now
            assert client.get(url, {"as_of": "2026-11-21T05:30:00.122Z"}).status_code == 404

    def test_an_instant_finer_than_milliseconds_is_found_by_what_is_written_of_it(
        self, owner: Any, client_of: ClientOf
    ) -> None:
        fine = datetime(2026, 11, 21, 5, 30, 0, 123_987, tzinfo=UTC)
        order = make_order(owner, now=fine)
        client = client_of(owner)

        written = client.get(url_of(order)).json()["created_at"]

        assert written == "2026-11-21T05:30:00.123Z"
        assert client.get(url_of(order), {"as_of": written}).json()["created_at"] == written

    def test_instant_before_placement_is_not_found(self, owner: Any, client_of: ClientOf) -> None:
        order = make_order(owner)
        early = (order.placed_at - timedelta(seconds=1)).isoformat()

        assert client_of(owner).get(url_of(order), {"as_of": early}).status_code == 404

    def test_a_later_instant_shows_it_as_it_stands(self, owner: Any, client_of: ClientOf) -> None:
        order = make_order(owner)

        response = client_of(owner).get(url_of(order), {"as_of": "2199-01-01T00:00:00Z"})

        assert (response.status_code, response.json()["status"]) == (200, "pending_payment")

    @pytest.mark.parametrize("text", ["yesterday", "2026-11-21T05:30:00", "1999-01-01T00:00:00Z", ""])
    def test_instant_requires_a_time_zone(self, owner: Any, client_of: ClientOf, text: str) -> None:
        response = client_of(owner).get(url_of(make_order(owner)), {"as_of": text})

        assert (response.status_code, response.json()["error"]["param"]) == (400, "as_of")

    def test_is_not_found_for_a_stranger_and_visible_to_staff(
        self, owner: Any, stranger: Any, support: Any, client_of: ClientOf
    ) -> None:
        order = make_order(owner)
        query = {"as_of": "2199-01-01T00:00:00Z"}

        assert client_of(stranger).get(url_of(order), query).status_code == 404
        assert client_of(support).get(url_of(order), query).status_code == 200


class TestHoldAndRelease:
    @pytest.fixture
    def paid(self, owner: Any) -> Order:
        order = make_order(owner)
        pay(order)
        return order

    def move(self, client: APIClient, order: Order, action: str, reason: str = "The buyer asked us to wait") -> Any:
        return client.post(url_of(order, action), {"reason": reason}, format="json")

    def test_holds_and_releases_with_a_reason(self, paid: Order, support: Any, client_of: ClientOf) -> None:
        client = client_of(support)

        held = self.move(client, paid, "/hold")
        released = self.move(client, paid, "/release", "The buyer is back")

        assert (held.status_code, held.json()["status"]) == (200, "on_hold")
        assert (released.status_code, released.json()["status"]) == (200, "confirmed")
        assert released["ETag"] == f'"v{Order.objects.get().version}"'
        events = Event.objects.filter(type__in=["orders.order.held", "orders.order.released"]).order_by("pk")
        assert [event.reason for event in events] == ["The buyer asked us to wait", "The buyer is back"]

    def test_unpaid_order_cannot_be_held(self, owner: Any, support: Any, client_of: ClientOf) -> None:
        order = make_order(owner)
        client = client_of(support)

        with nothing_changes():
            answer = self.move(client, order, "/hold")

        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "order_not_holdable")

    def test_order_that_is_not_held_cannot_be_released(self, paid: Order, support: Any, client_of: ClientOf) -> None:
        client = client_of(support)

        with nothing_changes():
            answer = self.move(client, paid, "/release")

        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "order_not_on_hold")

    def test_reason_is_required(self, paid: Order, support: Any, client_of: ClientOf) -> None:
        client = client_of(support)

        with nothing_changes():
            answer = self.move(client, paid, "/hold", " ")

        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "reason")

    @pytest.mark.parametrize("action", ["/hold", "/release"])
    @pytest.mark.parametrize("person", ["owner", "stranger", "finance", "catalogue_manager"])
    def test_others_may_not(
        self, action: str, person: str, paid: Order, client_of: ClientOf, request: pytest.FixtureRequest
    ) -> None:
        client = client_of(request.getfixturevalue(person))

        with nothing_changes():
            assert self.move(client, paid, action).status_code == 403
