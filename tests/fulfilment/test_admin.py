"""Parcels in the back office: what is to be packed, the pages that pack and send, and who may open them."""

from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from apps.core import clock, ids
from apps.core.events import SYSTEM
from apps.core.models import Event
from apps.fulfilment.models import Shipment
from apps.fulfilment.services.packing_slips import render_packing_slip
from apps.orders import services as orders
from apps.orders.models import Order
from apps.payments.services.refunds.amounts import RefundLineInput
from tests.factories.catalog import make_registration, make_variant
from tests.factories.fulfilment import (
    make_dispatched_shipment,
    make_invoiced_order,
    make_packed_shipment,
    make_shipment,
)
from tests.factories.orders import make_order
from tests.factories.payments import make_refund
from tests.support.stock import stock_of
from tests.support.storage import documents_in
from tests.support.stored_rows import nothing_changes

pytestmark = pytest.mark.django_db

TO_PACK = "/admin/fulfilment/shipment/to-pack/"
STEPS = ("pack", "dispatch", "deliver", "lost", "damaged", "cancel", "carrier")


@pytest.fixture
def desk(client: Client) -> Callable[[Any], Client]:
    """Return a browser in which a member of staff has logged in."""

    def sign_in(user: Any) -> Client:
        client.force_login(user)
        return client

    return sign_in


def action_of(row: Any, name: str) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_action", args=[row.pk, name])


def page_of(row: Any) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def text_of(answer: Any) -> str:
    return " ".join(unescape(answer.content.decode()).split())


def do(browser: Client, row: Any, name: str, **values: Any) -> Any:
    return browser.post(action_of(row, name), {"request_key": str(ids.new()), **values}, follow=True)


def refund_units(order: Any, *, position: int) -> None:
    """Refund one unit of a line that was not sent."""
    make_refund(order, lines=[RefundLineInput(order.lines.get(position=position).pk, 1)])


def state_of(order: Any) -> tuple[str, str]:
    return Order.objects.values_list("status", "fulfilment_status").get(pk=order.pk)


class TestToPack:
    def test_names_paid_orders_the_longest_waiting_first(self, order: Any, owner: Any, support: Any, desk: Any) -> None:
        second = make_invoiced_order(owner)
        unpaid, packed = make_order(owner), make_invoiced_order(owner)
        parcel = make_packed_shipment(packed)

        shown = text_of(desk(support).get(TO_PACK))

        to_pack, _, to_dispatch = shown.partition("To dispatch")
        assert to_pack.index(order.number) < to_pack.index(second.number)
        assert action_of(order, "pack") in to_pack
        assert [packed.number in to_pack, unpaid.number in shown] == [False, False]
        assert action_of(parcel, "dispatch") in to_dispatch
        assert (page_of(order) in to_pack, page_of(parcel) in to_dispatch) == (True, True)

    def test_names_what_is_left(self, order: Any, support: Any, desk: Any) -> None:
        make_packed_shipment(order, {1: 2})
        refund_units(order, position=2)
        first, second = order.lines.order_by("position")

        to_pack = text_of(desk(support).get(TO_PACK)).partition("To dispatch")[0]

        assert f"1 × {first.name}" in to_pack
        assert f"1 × {second.name}" in to_pack

    def test_order_on_hold_says_so(self, order: Any, support: Any, desk: Any) -> None:
        orders.hold_order(order_id=order.pk, reason="wait", actor=SYSTEM, now=clock.now())

        shown = text_of(desk(support).get(TO_PACK))

        assert "On hold: release it first." in shown
        assert action_of(order, "pack") not in shown

    def test_money_lost_in_a_dispute_is_decided_on_the_orders_page(self, order: Any, support: Any, desk: Any) -> None:
        Order.objects.update(lost_amount=100)

        shown = text_of(desk(support).get(TO_PACK))

        assert "Money of it was lost in a dispute: open the order to decide." in shown
        assert (page_of(order) in shown, action_of(order, "pack") in shown) == (True, False)

    def test_fits_a_phone(self, order: Any, support: Any, desk: Any) -> None:
        shown = text_of(desk(support).get(TO_PACK))

        assert ".panel-table td::before { content: attr(data-heading);" in shown
        assert 'data-heading="To pack"' in shown

    def test_empty_list_says_so(self, support: Any, desk: Any) -> None:
        shown = text_of(desk(support).get(TO_PACK))

        assert ("Every paid order is packed." in shown, "No parcel waits for its carrier." in shown) == (True, True)

    def test_finance_reads_it_and_packs_nothing(self, order: Any, finance: Any, desk: Any) -> None:
        shown = text_of(desk(finance).get(TO_PACK))

        assert (page_of(order) in shown, action_of(order, "pack") in shown) == (True, False)

    def test_is_for_those_who_may_view_shipments(self, catalogue_manager: Any, desk: Any) -> None:
        assert desk(catalogue_manager).get(TO_PACK).status_code == 403

    def test_query_count_is_constant(
        self, shop: Any, owner: Any, support: Any, desk: Any, count_queries: Callable[[], Any]
    ) -> None:
        variant, browser = make_variant(stock=100), desk(support)
        make_packed_shipment(make_invoiced_order(owner, [(variant, 1)]))
        make_invoiced_order(owner, [(variant, 1)])
        browser.get(TO_PACK)
        with count_queries() as few:
            browser.get(TO_PACK)
        for _ in range(12):
            make_packed_shipment(make_invoiced_order(owner, [(variant, 1)]))
            make_invoiced_order(owner, [(variant, 1)])

        with count_queries() as many:
            browser.get(TO_PACK)

        assert len(many) == len(few)

    def test_dashboard_counts_what_is_to_be_sent(self, order: Any, support: Any, desk: Any) -> None:
        cache.delete("back-office:numbers")
        make_packed_shipment(order, {1: 1})

        shown = text_of(desk(support).get("/admin/"))

        assert "Parcels to send" in shown
        assert "paid orders to pack; 1 parcel to dispatch" in shown
        assert f'href="{TO_PACK}"' in shown
        cache.delete("back-office:numbers")


class TestPage:
    def test_query_count_is_constant(
        self, reference_data: None, owner: Any, administrator: Any, desk: Any, count_queries: Any
    ) -> None:
        make_registration()
        variants = [make_variant(stock=10) for _ in range(15)]
        small, large = (
            make_packed_shipment(make_invoiced_order(owner, [(variant, 1) for variant in some]))
            for some in (variants[:1], variants)
        )
        browser, counts = desk(administrator), []
        browser.get(page_of(small))

        for shipment in (small, large):
            with count_queries() as queries:
                browser.get(page_of(shipment))
            counts.append(len(queries))

        assert counts[0] == counts[1]


class TestPack:
    def test_says_what_will_happen_and_what_is_left(self, order: Any, support: Any, desk: Any) -> None:
        shown = text_of(desk(support).get(action_of(order, "pack")))

        assert "Pack a parcel: what will happen" in shown
        assert "is in fulfilment and can no longer be put on hold." in shown
        assert "3 of 3 are in no parcel yet." in shown
        assert order.shipping_address.line1 in shown

    def test_packs_several_parcels_one_after_the_other(self, order: Any, support: Any, desk: Any) -> None:
        browser = desk(support)

        first = text_of(do(browser, order, "pack", units_1=2, carrier_name="India Post", tracking_number="EE1"))
        second = text_of(do(browser, order, "pack", units_1=1, units_2=2))

        one, two = Shipment.objects.order_by("created_at", "pk")
        assert f"Parcel {one.number} of order {order.number} is packed: 2 units. 3 units left to pack." in first
        assert f"Parcel {two.number} of order {order.number} is packed: 3 units. Nothing is left to pack." in second
        assert (one.status, one.carrier_name, one.tracking_number, two.status) == (
            "packed",
            "India Post",
            "EE1",
            "packed",
        )
        assert state_of(order) == ("in_fulfilment", "unfulfilled")

    def test_submitted_twice_packs_once(self, order: Any, support: Any, desk: Any) -> None:
        browser, key = desk(support), str(ids.new())

        for _ in range(2):
            shown = do(browser, order, "pack", units_1=1, request_key=key)

        assert "This page was submitted twice; it took effect once." in text_of(shown)
        assert Shipment.objects.count() == 1

    @pytest.mark.parametrize(
        ("units", "why"),
        [
            ({}, "Enter the units of each item that are in the parcel."),
            ({"units_1": 4}, "less than or equal to 3"),
            ({"units_1": -1}, "greater than or equal to 0"),
        ],
    )
    def test_wrong_units_are_refused(
        self, units: dict[str, int], why: str, order: Any, support: Any, desk: Any
    ) -> None:
        browser = desk(support)

        with nothing_changes():
            shown = text_of(do(browser, order, "pack", **units))

        assert why in shown

    def test_fully_refunded_order_is_blocked(self, order: Any, support: Any, desk: Any) -> None:
        make_refund(order)
        browser = desk(support)

        with nothing_changes():
            shown = text_of(browser.get(action_of(order, "pack")))
            do(browser, order, "pack", units_1=1)

        assert "Pack a parcel: not now" in shown
        assert "all of its money is refunded. Cancel the order." in shown

    def test_refunded_units_need_a_reason(self, order: Any, support: Any, desk: Any) -> None:
        refund_units(order, position=1)
        browser = desk(support)

        page = text_of(browser.get(action_of(order, "pack")))
        refused = text_of(do(browser, order, "pack", units_1=3))
        packed = text_of(do(browser, order, "pack", units_1=3, refund_override_reason="The buyer keeps it as a gift"))

        assert "3 of 3 are in no parcel yet. 1 unit of these was refunded." in page
        assert "Give a reason if they are to be sent all the same." in refused
        assert "is packed: 3 units." in packed
        assert Shipment.objects.get().refund_override_reason == "The buyer keeps it as a gift"

    @pytest.mark.parametrize("role", ["finance", "catalogue_manager"])
    def test_others_may_not(self, role: str, order: Any, desk: Any, request: pytest.FixtureRequest) -> None:
        browser = desk(request.getfixturevalue(role))

        with nothing_changes():
            answer = do(browser, order, "pack", units_1=1)

        assert answer.status_code == 403


class TestSteps:
    def test_parcel_is_dispatched_and_delivered(self, order: Any, shirt: Any, support: Any, desk: Any) -> None:
        shipment, browser = make_packed_shipment(order), desk(support)

        before = text_of(browser.get(action_of(shipment, "dispatch")))
        sent = text_of(do(browser, shipment, "dispatch", carrier_name="Delhivery", tracking_number="DL1"))
        then = text_of(browser.get(action_of(shipment, "deliver")))
        done = text_of(do(browser, shipment, "deliver"))

        assert "5 units leave the stock on hand." in before
        assert f"Parcel {shipment.number} is dispatched; its units have left the stock." in sent
        assert "Delhivery DL1" in then
        assert f"Parcel {shipment.number} is delivered." in done
        assert (state_of(order), stock_of(shirt).on_hand) == (("completed", "delivered"), 7)

    @pytest.mark.parametrize("status", ["lost", "damaged"])
    def test_parcel_is_lost_or_damaged(self, status: str, order: Any, support: Any, desk: Any) -> None:
        shipment, browser = make_dispatched_shipment(order), desk(support)

        before = text_of(browser.get(action_of(shipment, status)))
        do(browser, shipment, status, reason="The carrier says so")

        assert "Nothing is refunded by this." in before
        assert Event.objects.get(type=f"fulfilment.shipment.{status}").reason == "The carrier says so"
        assert "Lost or damaged on the way" in text_of(browser.get(page_of(order)))

    def test_parcel_is_cancelled(self, order: Any, shirt: Any, support: Any, desk: Any) -> None:
        shipment, browser = make_packed_shipment(order), desk(support)

        shown = text_of(do(browser, shipment, "cancel", reason="Two become one"))

        assert f"Parcel {shipment.number} is cancelled; its units can be packed again." in shown
        assert (stock_of(shirt).on_hand, stock_of(shirt).reserved) == (10, 3)

    def test_carrier_is_changed_until_delivery(self, order: Any, support: Any, desk: Any) -> None:
        shipment, browser = make_dispatched_shipment(order), desk(support)

        do(browser, shipment, "carrier", carrier_name="India Post", tracking_number="EE1")

        shipment.refresh_from_db()
        assert (shipment.carrier_name, shipment.tracking_number) == ("India Post", "EE1")

    def test_pending_parcel_is_packed(self, order: Any, support: Any, desk: Any) -> None:
        shipment = make_shipment(order)

        do(desk(support), shipment, "pack", carrier_name="", tracking_number="")

        assert Shipment.objects.get().status == "packed"

    def test_page_offers_what_is_possible_now(self, order: Any, support: Any, desk: Any) -> None:
        shipment, browser = make_packed_shipment(order), desk(support)

        packed = text_of(browser.get(page_of(shipment)))
        do(browser, shipment, "dispatch")
        sent = text_of(browser.get(page_of(shipment)))

        offered = [[step for step in STEPS if action_of(shipment, step) in page] for page in (packed, sent)]
        assert offered == [["dispatch", "cancel", "carrier"], ["deliver", "lost", "damaged", "carrier"]]

    def test_step_out_of_turn_changes_nothing(self, order: Any, support: Any, desk: Any) -> None:
        shipment, browser = make_shipment(order), desk(support)

        with nothing_changes():
            shown = text_of(do(browser, shipment, "dispatch"))

        assert "“Dispatch” is no longer possible." in shown

    def test_dispatch_waits_while_the_order_cannot_be_sent(self, order: Any, support: Any, desk: Any) -> None:
        shipment, browser = make_packed_shipment(order), desk(support)
        make_refund(order)

        shown = text_of(browser.get(action_of(shipment, "dispatch")))

        assert "Dispatch: not now" in shown
        assert "all of its money is refunded. Cancel the order." in shown

    @pytest.mark.parametrize("role", ["finance", "catalogue_manager"])
    def test_others_may_not(self, role: str, order: Any, desk: Any, request: pytest.FixtureRequest) -> None:
        shipment, browser = make_packed_shipment(order), desk(request.getfixturevalue(role))

        with nothing_changes():
            statuses = {do(browser, shipment, step).status_code for step in STEPS}

        assert statuses == {403}


class TestOrderPage:
    def test_shows_its_parcels(self, order: Any, support: Any, desk: Any) -> None:
        shipment = make_dispatched_shipment(order, {1: 2})

        shown = text_of(desk(support).get(page_of(order)))

        assert page_of(shipment) in shown
        assert f"2 × {order.lines.get(position=1).name}" in shown
        assert "A parcel is on its way." in shown

    def test_cancelling_takes_packed_parcels_from_the_list(self, order: Any, support: Any, desk: Any) -> None:
        shipment, browser = make_packed_shipment(order), desk(support)

        before = text_of(browser.get(action_of(order, "cancel")))
        do(browser, order, "cancel", reason="By mistake")

        assert f"{shipment.number}: cancelled. Take the goods out again." in before
        assert Shipment.objects.get().status == "cancelled"

    def test_sent_order_offers_no_cancellation(self, order: Any, support: Any, desk: Any) -> None:
        make_dispatched_shipment(order, {1: 1})

        assert action_of(order, "cancel") not in text_of(desk(support).get(page_of(order)))

    def test_holds_and_releases_with_a_reason(self, order: Any, support: Any, desk: Any) -> None:
        browser = desk(support)

        before = text_of(browser.get(action_of(order, "hold")))
        held = text_of(do(browser, order, "hold", reason="The buyer asked us to wait"))
        status = state_of(order)[0]
        released = text_of(do(browser, order, "release", reason="The buyer is back"))

        assert "Its goods stay reserved." in before
        assert "is on hold. Nothing of it is packed or sent until it is released." in held
        assert (status, state_of(order)[0]) == ("on_hold", "confirmed")
        assert "is released and can be packed." in released
        kept = Event.objects.filter(type__in=["orders.order.held", "orders.order.released"]).order_by("pk")
        assert [event.reason for event in kept] == ["The buyer asked us to wait", "The buyer is back"]

    def test_hold_needs_a_reason(self, order: Any, support: Any, desk: Any) -> None:
        browser = desk(support)

        with nothing_changes():
            do(browser, order, "hold", reason=" ")

        assert state_of(order)[0] == "confirmed"

    @pytest.mark.parametrize("role", ["finance", "catalogue_manager"])
    def test_others_may_not_hold(self, role: str, order: Any, desk: Any, request: pytest.FixtureRequest) -> None:
        browser = desk(request.getfixturevalue(role))

        with nothing_changes():
            assert do(browser, order, "hold", reason="wait").status_code == 403


class TestPackingSlip:
    def test_is_prepared_and_downloaded(self, order: Any, support: Any, desk: Any, tmp_path: Path) -> None:
        shipment, browser = make_packed_shipment(order), desk(support)
        url = reverse("admin:fulfilment_packing_slip", args=[shipment.pk])

        with documents_in(tmp_path):
            waits = text_of(browser.get(url, follow=True))
            asked = text_of(do(browser, shipment, "prepare-slip"))
            render_packing_slip(shipment_id=shipment.pk)
            page, answer = text_of(browser.get(page_of(shipment))), browser.get(url)
            content = b"".join(answer.streaming_content)

        assert "is not ready. Try again in a moment." in waits
        assert "is being prepared. Reload this page in a moment." in asked
        assert (url in page, action_of(shipment, "prepare-slip") in page) == (True, False)
        assert (answer["Content-Type"], content[:5]) == ("application/pdf", b"%PDF-")

    @pytest.mark.parametrize("role", ["finance", "catalogue_manager"])
    def test_others_do_not_get_it(self, role: str, order: Any, desk: Any, request: pytest.FixtureRequest) -> None:
        shipment, browser = make_packed_shipment(order), desk(request.getfixturevalue(role))

        with nothing_changes():
            answer = browser.get(reverse("admin:fulfilment_packing_slip", args=[shipment.pk]))

        assert answer.status_code == 404


class TestSearch:
    @pytest.mark.parametrize("typed", ["number", "beginning", "tracking", "small letters", "id"])
    def test_finds_a_parcel(self, typed: str, order: Any, support: Any, desk: Any) -> None:
        shipment = make_packed_shipment(order)
        Shipment.objects.filter(pk=shipment.pk).update(tracking_number="EK123456789IN")
        text = {
            "number": shipment.number, "beginning": shipment.number[:10], "tracking": "EK123456789IN",
            "small letters": "ek123456789in", "id": shipment.public_id,
        }[typed]  # fmt: skip

        shown = text_of(desk(support).get("/admin/search/", {"q": text}))

        assert page_of(shipment) in shown

    def test_list_is_searched_alike(self, order: Any, support: Any, desk: Any) -> None:
        one, two = make_packed_shipment(order, {1: 1}), make_packed_shipment(order)

        shown = text_of(desk(support).get("/admin/fulfilment/shipment/", {"q": two.number}))

        assert (page_of(two) in shown, page_of(one) in shown) == (True, False)
