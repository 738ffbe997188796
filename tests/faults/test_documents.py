"""Documents of a running worker: its children render, and so does a child that is forked after one has rendered."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support.pdf_text import pages_of
from tests.support.running_stack import ADDRESS, Buyer, RunningStack, wait_for

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

NAME = "महात्मा गांधी"


@pytest.fixture(scope="module")
def buyer(running: RunningStack) -> Buyer:
    return running.sign_in("+919800000006")


def invoice_of(buyer: Buyer, order_id: str) -> bytes:
    """Return the PDF of an order's invoice, as soon as a worker has rendered it."""
    [invoice] = wait_for(lambda: buyer.invoices(order_id))

    def downloaded() -> bytes | None:
        answer = buyer.api._session.get(f"{buyer.api.base_url}/invoices/{invoice['id']}/pdf", timeout=20)
        return answer.content if answer.status_code == 200 else None

    content: bytes = wait_for(downloaded)
    return content


def children_of_worker(running: RunningStack) -> set[int]:
    """Return the processes that a worker has forked."""
    worker = running.servers.pids["worker"]
    return {int(child) for child in Path(f"/proc/{worker}/task/{worker}/children").read_text().split()}


def test_every_child_of_a_worker_renders(running: RunningStack, buyer: Buyer) -> None:
    address: dict[str, Any] = buyer.api.call("POST", "/me/addresses", {**ADDRESS, "name": NAME}, expect=201).json()
    buyer.order_body["shipping_address_id"] = address["id"]
    order_id, _ = buyer.buy()
    first = invoice_of(buyer, order_id)

    before = children_of_worker(running)
    for child in before:
        os.kill(child, signal.SIGKILL)
    wait_for(lambda: children_of_worker(running) - before)
    order_id, _ = buyer.buy()
    second = invoice_of(buyer, order_id)

    for content in (first, second):
        assert f"BILLED TO {NAME} 12 MG Road" in pages_of(content)[0]
    assert running.audit() == []
