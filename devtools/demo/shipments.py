"""What follows a payment: the goods are packed in two parcels, leave the stock, arrive, and complete the order."""

from __future__ import annotations

import uuid
from typing import Any

from devtools import demo_accounts
from devtools.demo.client import Api, StepFailed, save_pdf, wait_until
from devtools.demo.orders import OrderScenario


class ShipmentScenario:
    """All goods of the order of a sale that was played, in two parcels; support sends them."""

    def __init__(self, sale: OrderScenario) -> None:
        self.sale = sale
        self.reporter = sale.reporter
        self.customer = sale.api
        self.support = Api(sale.api.base_url)
        self.numbers: list[str] = []

    def play(self) -> None:
        """
        Play all of the scenario and report each step.

        :raises StepFailed: at the first step that does not go as it should
        """
        self.reporter.heading("The goods leave")
        self._log_in()
        lines = self.customer.get(f"/orders/{self.sale.order_id}")["lines"]
        first = self._pack([{"order_line_id": lines[0]["id"], "quantity": lines[0]["quantity"]}], "one line")
        self._fetch_slip(first)
        self._dispatch(first, "in_fulfilment", "partial")
        second = self._pack(None, "all that is left")
        self._refuse_a_third()
        self._dispatch(second, "in_fulfilment", "shipped")
        self._deliver(first, "in_fulfilment")
        self._deliver(second, "completed")
        self._read_message()

    def _log_in(self) -> None:
        with self.reporter.step("support logs in") as step:
            login = next(each for each in demo_accounts.STAFF if each.role == "support")
            body = {"email": login.email, "password": login.password, "transport": "body"}
            self.support.sign_in(self.support.call("POST", "/auth/login", body).json()["access_token"])
            step.report(login.email)

    def _pack(self, lines: list[dict[str, Any]] | None, what: str) -> dict[str, Any]:
        with self.reporter.step(f"support packs a parcel: {what}") as step:
            body: dict[str, Any] = {"order_id": self.sale.order_id}
            created = self._act("/shipments", {**body, "lines": lines} if lines else body, expect=201)
            packed = self._act(f"/shipments/{created['id']}/pack", {})
            self.numbers.append(packed["number"])
            units = ", ".join(f"{line['quantity']} x {line['name']}" for line in packed["lines"])
            step.report(f"{packed['number']} is {packed['status']}: {units}"[:110])
            return packed

    def _fetch_slip(self, shipment: dict[str, Any]) -> None:
        with self.reporter.step("print the packing slip") as step:
            path = f"/shipments/{shipment['id']}/packing-slip"
            content = wait_until(lambda: self.support.download_pdf(path), what="the packing slip")
            step.report(save_pdf(content, number=shipment["number"], into=self.sale.documents))

    def _refuse_a_third(self) -> None:
        with self.reporter.step("a parcel of the same goods is refused") as step:
            refusal = self._act("/shipments", {"order_id": self.sale.order_id}, expect=400)
            step.report(f"400 Bad Request: {refusal['error']['message']}")

    def _dispatch(self, shipment: dict[str, Any], status: str, fulfilment_status: str) -> None:
        with self.reporter.step(f"dispatch {shipment['number']}") as step:
            tracking = {"carrier_name": "India Post", "tracking_number": f"EK{shipment['number'][-6:]}IN"}
            sent = self._act(f"/shipments/{shipment['id']}/dispatch", tracking)
            self._check_order(status, fulfilment_status)
            step.report(f"{sent['carrier_name']} {sent['tracking_number']}; its units have left the stock")

    def _deliver(self, shipment: dict[str, Any], status: str) -> None:
        with self.reporter.step(f"{shipment['number']} is delivered") as step:
            self._act(f"/shipments/{shipment['id']}/deliver", {})
            order = self._check_order(status, "delivered" if status == "completed" else None)
            step.report(f"the order is {order['status'].replace('_', ' ')}, {order['fulfilment_status']}")

    def _check_order(self, status: str, fulfilment_status: str | None) -> dict[str, Any]:
        order = dict(self.customer.get(f"/orders/{self.sale.order_id}"))
        found = (order["status"], order["fulfilment_status"])
        if found != (status, fulfilment_status or found[1]):
            raise StepFailed(f"The order should be {status} and {fulfilment_status}, not {found}.", where="web")
        return order

    def _read_message(self) -> None:
        with self.reporter.step("the buyer is notified of the parcels") as step:
            for each in wait_until(self._find_messages, what="the messages about the parcels"):
                step.report(f"in-app: {each['title']}")

    def _find_messages(self) -> list[dict[str, Any]] | None:
        inbox = self.customer.get("/me/notifications?limit=100")["data"]
        about = [each for each in inbox if each["title"].endswith(("is on its way", "was delivered"))]
        return about if sum(each["title"].endswith("was delivered") for each in about) == len(self.numbers) else None

    def _act(self, path: str, body: dict[str, Any], *, expect: int = 200) -> dict[str, Any]:
        key = {"Idempotency-Key": str(uuid.uuid4())}
        return dict(self.support.call("POST", path, body, expect=expect, headers=key).json())
