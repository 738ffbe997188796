"""What the tests of the sandbox do to it: pay an order, run a settlement, read its report and its webhooks."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

import razorpay

from sandbox.server import Sandbox

IST = timezone(timedelta(hours=5, minutes=30))


@dataclass
class Receiver:
    """A web server that keeps what it is sent and answers with the statuses it was told, then with 200."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    delay: float = 0.0
    received: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


def pay(sandbox: Sandbox, order_id: str, **how: Any) -> str:
    """Pay an order in Checkout and return the payment's id."""
    return str(sandbox.control("POST", f"/orders/{order_id}/checkout", how)["razorpay_payment_id"])


def sent_webhooks(sandbox: Sandbox, *names: str) -> list[dict[str, Any]]:
    """Wait until all webhooks have landed; return their envelopes, of the given event names if there are any."""
    answer = sandbox.control("GET", "/webhooks", wait=10)
    assert answer["settled"]
    envelopes = [json.loads(row["body"]) for row in answer["items"]]
    return [envelope for envelope in envelopes if not names or envelope["event"] in names]


def make_payment(sdk: razorpay.Client, sandbox: Sandbox, amount: int, **how: Any) -> str:
    order = sdk.order.create({"amount": amount, "currency": "INR", "receipt": f"R{amount}", "notes": {"n": "1"}})
    return pay(sandbox, order["id"], **how)


def settlement_report(sdk: razorpay.Client, settlement: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    on = datetime.fromtimestamp(settlement["created_at"], tz=IST)
    answer = sdk.settlement.report({"year": on.year, "month": on.month, "day": on.day, "count": 1_000, **more})
    rows: list[dict[str, Any]] = answer["items"]
    assert answer["count"] == len(rows)
    return rows


def run_settlement(sandbox: Sandbox, **body: Any) -> dict[str, Any]:
    answer: dict[str, Any] = sandbox.control("POST", "/settlements/run", body)
    return answer
