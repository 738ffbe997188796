"""Packing slips: rendered by a worker, of the parcel as it stands, without prices, and gone with the buyer's address."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from apps.core import clock
from apps.core.events import SYSTEM
from apps.core.models import Event
from apps.core.pdf import copies
from apps.fulfilment import handlers, services
from apps.fulfilment.models import ShipmentNotFound
from apps.fulfilment.services import packing_slips
from apps.invoicing.selectors import DocumentNotReady
from tests.factories.fulfilment import make_invoiced_order, make_shipment
from tests.support.pdf_text import pages_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _files(tmp_path: Any, settings: Any) -> None:
    storage = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(tmp_path)}}
    settings.STORAGES = {**settings.STORAGES, "default": storage}


def _requests() -> Any:
    return Event.objects.filter(type="fulfilment.shipment.packing_slip_requested")


def test_says_what_lies_in_the_parcel_and_where_it_goes_without_a_price(order: Any) -> None:
    shipment = make_shipment(order, {1: 2, 2: 1})
    packing_slips.render_packing_slip(shipment_id=shipment.pk)

    name, content = packing_slips.get_packing_slip(shipment_id=shipment.pk, now=clock.now())

    text = " ".join(" ".join(pages_of(content)).split())
    shirt, shoe = order.lines.order_by("position")
    assert name == f"packing-slip-{shipment.number}.pdf"
    for words in ("PACKING SLIP", shipment.number, order.number, "Asha Owner", "Bengaluru", "560001", "not chosen yet"):
        assert words in text, words
    assert f"2 {shirt.sku} {shirt.name}" in text
    assert f"1 {shoe.sku} {shoe.name}" in text
    assert "₹" not in text


def test_of_an_earlier_carrier_is_never_shown(order: Any) -> None:
    shipment = make_shipment(order)
    packing_slips.render_packing_slip(shipment_id=shipment.pk)
    services.update_tracking(
        shipment_id=shipment.pk, carrier_name="Blue Dart", tracking_number="4711", actor=SYSTEM, now=clock.now()
    )

    with pytest.raises(packing_slips.PackingSlipNotRendered, match=f"no packing slip of {shipment.number}"):
        packing_slips.get_packing_slip(shipment_id=shipment.pk, now=clock.now())

    changed = Event.objects.get(type="fulfilment.shipment.tracking_updated")
    handlers.render_packing_slip(event=changed, now=clock.now())
    _, content = packing_slips.get_packing_slip(shipment_id=shipment.pk, now=clock.now())
    assert "Blue Dart" in " ".join(pages_of(content))


def test_is_requested_once_a_minute_and_reading_writes_nothing(order: Any) -> None:
    shipment = make_shipment(order)
    now = clock.now()

    with pytest.raises(packing_slips.PackingSlipNotRendered):
        packing_slips.get_packing_slip(shipment_id=shipment.pk, now=now)
    assert not _requests().exists()
    answers = [packing_slips.request_packing_slip(shipment_id=shipment.pk, actor=SYSTEM, now=now) for _ in range(2)]
    with pytest.raises(DocumentNotReady, match="is being prepared"):
        packing_slips.get_packing_slip(shipment_id=shipment.pk, now=now)

    assert (answers, _requests().count()) == ([False, False], 1)
    handlers.render_packing_slip(event=_requests().get(), now=now)
    assert packing_slips.request_packing_slip(shipment_id=shipment.pk, actor=SYSTEM, now=now) is True


def test_is_requested_anew_when_no_worker_came_within_a_minute(order: Any) -> None:
    shipment, now = make_shipment(order), clock.now()

    for seconds in (0, 59, 60):
        later = now + timedelta(seconds=seconds)
        packing_slips.request_packing_slip(shipment_id=shipment.pk, actor=SYSTEM, now=later)

    assert list(_requests().order_by("version").values_list("created_at", flat=True)) == [
        now,
        now + timedelta(seconds=60),
    ]


class TestApi:
    def test_staff_who_send_goods_request_and_download_it(self, order: Any, support: Any, client_of: Any) -> None:
        shipment = make_shipment(order)
        url, client = f"/api/v1/shipments/{shipment.public_id}/packing-slip", client_of(support)

        missing = client.get(url)
        requested = client.post(url)
        waiting = client.get(url)
        handlers.render_packing_slip(event=_requests().get(), now=clock.now())
        ready, answer = client.post(url), client.get(url)

        assert (missing.status_code, missing.json()["error"]["code"]) == (409, "document_not_ready")
        assert (requested.status_code, requested.headers["Location"], requested.headers["Retry-After"]) == (
            202,
            url,
            "2",
        )
        assert requested.json() == {
            "object": "packing_slip", "shipment_id": shipment.public_id, "status": "pending",
        }  # fmt: skip
        assert "is being prepared" in waiting.json()["error"]["message"]
        assert (ready.status_code, ready.json()["status"]) == (200, "ready")
        assert answer.headers["Content-Disposition"] == f'attachment; filename="packing-slip-{shipment.number}.pdf"'
        assert b"".join(answer.streaming_content).startswith(b"%PDF")

    @pytest.mark.parametrize(
        ("role", "status"), [("owner", 403), ("stranger", 403), ("catalogue_manager", 403), ("finance", 403)]
    )
    def test_nobody_else_does(
        self, role: str, status: int, order: Any, request: pytest.FixtureRequest, client_of: Any
    ) -> None:
        url = f"/api/v1/shipments/{make_shipment(order).public_id}/packing-slip"
        client = client_of(request.getfixturevalue(role))

        assert (client.get(url).status_code, client.post(url).status_code) == (status, status)
        assert not _requests().exists()


def test_of_nobodys_shipment_is_an_error(order: Any) -> None:
    with pytest.raises(ShipmentNotFound):
        packing_slips.get_packing_slip(shipment_id=order.pk, now=clock.now())


def test_a_full_disk_leaves_nothing_behind(order: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shipment = make_shipment(order)

    def refuse(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", refuse)

    with pytest.raises(copies.CopyNotStored, match="could not be stored: No space left on device"):
        packing_slips.render_packing_slip(shipment_id=shipment.pk)
    assert list(tmp_path.glob("packing-slips/*/*")) == []


class TestErasure:
    def test_deletes_the_slips_of_the_customer_alone(
        self, order: Any, stranger: Any, shirt: Any, tmp_path: Path
    ) -> None:
        own, other = make_shipment(order), make_shipment(make_invoiced_order(stranger, [(shirt, 1)]))
        for shipment in (own, other):
            packing_slips.render_packing_slip(shipment_id=shipment.pk)

        packing_slips.delete_packing_slips(customer_id=order.customer_id)
        packing_slips.delete_packing_slips(customer_id=order.customer_id)

        assert [path.parent.name for path in tmp_path.glob("packing-slips/*/*.pdf")] == [other.public_id]


def test_a_change_during_the_rendering_leaves_no_outdated_slip(
    order: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # As an erasure does, whose handler may have deleted the slips before this one is stored.
    shipment = make_shipment(order)
    render = packing_slips.documents.render_packing_slip_pdf

    def render_while_it_changes(data: Any) -> bytes:
        services.update_tracking(
            shipment_id=shipment.pk, carrier_name="Blue Dart", tracking_number="", actor=SYSTEM, now=clock.now()
        )
        return render(data)

    monkeypatch.setattr(packing_slips.documents, "render_packing_slip_pdf", render_while_it_changes)
    packing_slips.render_packing_slip(shipment_id=shipment.pk)

    assert list(tmp_path.glob("packing-slips/*/*.pdf")) == []
