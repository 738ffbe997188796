"""From an order to money to a GST invoice, as a client app over HTTP."""

from pathlib import Path

from apps.core import audit, clock
from devtools.demo.client import Narrator
from devtools.demo.story import Story
from tests.journeys.conftest import Shop


def test_a_buyer_logs_in_orders_pays_and_gets_an_invoice(shop: Shop, tmp_path: Path) -> None:
    story = Story(shop.url, shop.world.url, Narrator(), documents=tmp_path)

    story.play()

    assert story.order_number.startswith("ORD-")
    assert (tmp_path / f"{story.invoice_number}.pdf").read_bytes().startswith(b"%PDF-")
    assert [result.invariant.name for result in audit.run(now=clock.now()).violated] == []
