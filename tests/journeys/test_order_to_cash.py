"""From an order to money to a GST invoice, as a client app over HTTP."""

from pathlib import Path

from apps.accounts.models import User
from apps.core import audit, clock
from apps.core.models import Event
from devtools.demo.client import StepReporter
from devtools.demo.orders import OrderScenario
from tests.support.live_shop import Shop


def test_a_buyer_logs_in_orders_pays_and_gets_an_invoice(shop: Shop, tmp_path: Path) -> None:
    buyer = OrderScenario(shop.url, shop.world.url, StepReporter(), documents=tmp_path)

    buyer.play()

    assert buyer.order_number.startswith("ORD-")
    assert (tmp_path / f"{buyer.invoice_number}.pdf").read_bytes().startswith(b"%PDF-")
    assert [result.invariant.name for result in audit.run(now=clock.now()).failing] == []
    assert _events_with(buyer.number, "9876543210", "Asha", "Indiranagar", "560038", "***") == {}


def _events_with(*personal: str) -> dict[str, list[str]]:
    """Return the types of the events of persons and their orders that hold one of these texts, by text."""
    of_staff = User.objects.filter(is_staff=True).values("pk")
    events = Event.objects.exclude(subject_id__in=of_staff).exclude(subject_type__regex=r"^(tax|catalog)\.")
    found = {}
    for text in personal:
        types = sorted({event.type for event in events if text in str(event.changes) + event.reason})
        if types:
            found[text] = types
    return found
