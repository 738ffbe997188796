"""The state at both ends of a run, read through the API as staff read it; and the gateway's own record."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from devtools.demo.client import Api, Phone
from devtools.history.facts import keep_facts
from devtools.history.journal import Journal
from devtools.processes import Stack

_LIVE_PAYMENTS = "requires_payment,processing,requires_capture"
_OPEN_REFUNDS = "pending,unknown"
_DRAIN_SECONDS = 300.0
_GATEWAY_PAYMENT = ("id", "order_id", "amount", "status", "captured_at")
_GATEWAY_REFUND = ("id", "payment_id", "amount", "status", "automatic", "notes")


class FinalReader:
    """
    Reads what there is, as an administrator.

    :param variants: the ids of the variants whose units are counted
    """

    def __init__(self, stack: Stack, token: str, *, journal: Journal, variants: Sequence[str]) -> None:
        self._api = Api(f"{stack.web_url}/api/v1")
        self._api.sign_in(token)
        self._phone = Phone(stack.sandbox_url)
        self._journal = journal
        self._variants = variants

    def wait_until_drained(self) -> bool:
        """
        Wait until nothing is under way: no webhook, no order that awaits a payment, no live payment, no open refund.

        Return whether that came; what remains is for the checker to judge.
        """
        deadline = time.monotonic() + _DRAIN_SECONDS
        quiet = 0
        while quiet < 3:  # noqa: PLR2004 - what a worker does after the last of these takes a moment
            if time.monotonic() > deadline:
                return False
            quiet = 0 if self._is_busy() else quiet + 1
            time.sleep(1.0)
        return True

    def _is_busy(self) -> bool:
        lists = (
            "/orders?status=pending_payment&limit=1", f"/payments?status={_LIVE_PAYMENTS}&limit=1",
            f"/refunds?status={_OPEN_REFUNDS}&limit=1",
        )  # fmt: skip
        if any(self._api.get(path)["data"] for path in lists):
            return True
        if not self._phone.control("GET", "/webhooks", wait=1)["settled"]:
            return True
        confirmed = self._api.get("/orders?status=confirmed&limit=1")["data"]
        return any(not self._api.get(f"/invoices?order_id={order['id']}")["data"] for order in confirmed)

    def read_initial(self) -> None:
        """Journal the counts of stock before the first operation."""
        self._journal.write_rows("initial", "variants", self._read_variants())

    def read_final(self) -> None:
        """Journal everything after the last operation."""
        orders = [keep_facts(self._api.get(f"/orders/{row['id']}")) for row in self._list("/orders")]
        self._journal.write_rows("final", "orders", orders)
        for section in ("payments", "refunds", "invoices"):
            self._journal.write_rows("final", section, (keep_facts(row) for row in self._list(f"/{section}")))
        self._journal.write_rows("final", "variants", self._read_variants())
        paid = [order["id"] for order in orders if order["paid_amount"]]
        self._journal.write_rows("final", "ledger", self._read_ledger(paid))
        truth = self._phone.control("GET", "/truth")
        for section, fields in (("payments", _GATEWAY_PAYMENT), ("refunds", _GATEWAY_REFUND)):
            rows = ({name: row.get(name) for name in fields} for row in truth[section])
            self._journal.write_rows("final", f"gateway_{section}", rows)

    def _read_variants(self) -> list[dict[str, Any]]:
        rows = [self._api.get(f"/variants/{variant}") for variant in self._variants]
        return [
            {"id": row["id"], "on_hand": row["stock"]["on_hand"], "reserved": row["stock"]["reserved"]} for row in rows
        ]

    def _read_ledger(self, orders: Sequence[str]) -> Iterator[dict[str, Any]]:
        for order_id in orders:
            for entry in self._api.get(f"/orders/{order_id}/ledger")["data"]:
                yield {"order_id": order_id, **{name: entry[name] for name in ("kind", "account", "amount")}}

    def _list(self, path: str) -> Iterator[dict[str, Any]]:
        page = self._api.get(f"{path}?limit=100")
        while True:
            yield from page["data"]
            if not page["has_more"]:
                return
            page = self._api.get(f"{path}?limit=100&cursor={page['next_cursor']}")
