"""What is stored, what the API writes and what a client asks for again is one instant, over a whole sale and its refund."""

import re
from pathlib import Path
from typing import Any

from apps.core.models import Event
from devtools.demo.client import StepReporter, wait_until
from devtools.demo.orders import OrderScenario
from tests.support.instants import find_created_at_mismatches, find_finer_instants, list_instant_columns
from tests.support.live_shop import Shop

_WRITTEN = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def test_one_value_everywhere(shop: Shop, tmp_path: Path) -> None:
    buyer = OrderScenario(shop.url, shop.world.url, StepReporter(), documents=tmp_path)
    buyer.play()
    buyer.api.call("POST", f"/orders/{buyer.order_id}/cancel", {"reason": "I found it cheaper"})
    wait_until(lambda: _processed_refund(buyer), what="the refund")
    wait_until(lambda: buyer.api.get("/credit-notes")["data"], what="the credit note")

    order = buyer.api.get(f"/orders/{buyer.order_id}")
    placed, now = (
        buyer.api.get(f"/orders/{buyer.order_id}?as_of={order[name]}") for name in ("created_at", "updated_at")
    )

    assert (placed["version"], placed["status"]) == (1, "pending_payment")
    assert (placed["created_at"], placed["placed_at"]) == (order["created_at"], order["placed_at"])
    assert now == order
    for path in (f"/orders/{buyer.order_id}", "/payments", "/refunds", "/invoices", "/credit-notes", "/me"):
        written = list(_instants(buyer.api.get(path)))
        assert written, path
        assert [text for text in written if not _WRITTEN.fullmatch(text)] == [], path
    assert Event.objects.count() > 20
    assert len(list(list_instant_columns())) > 100
    assert find_finer_instants() == {}
    assert find_created_at_mismatches() == {}


def _processed_refund(buyer: OrderScenario) -> Any:
    return [one for one in buyer.api.get("/refunds")["data"] if one["status"] == "processed"]


def _instants(data: Any) -> Any:
    if isinstance(data, dict):
        for value in data.values():
            if isinstance(value, str) and re.match(r"20\d\d-\d\d-\d\dT", value):
                yield value
            else:
                yield from _instants(value)
    elif isinstance(data, list):
        for value in data:
            yield from _instants(value)
