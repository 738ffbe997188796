"""Money back and settlements while workers die, the gateway falls silent and its webhooks are lost: once, and no more."""

import signal
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devtools.demo.client import Api
from tests.faults import points
from tests.support.running_stack import Buyer, RunningStack, wait_for

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

REFUND_CALL = {"path": "/v1/payments/*/refund", "method": "POST"}


@pytest.fixture(scope="module")
def buyer(running: RunningStack) -> Buyer:
    return running.sign_in("+919800000004")


@pytest.fixture(scope="module")
def finance(running: RunningStack) -> Api:
    return running.finance()


@pytest.fixture(autouse=True)
def keys(running: RunningStack) -> Path:
    """Where the keys are that the gateway is asked for refunds with; empty at the beginning."""
    path = running.fault_dir / points.REFUND_KEYS
    path.write_text("")
    return path


@pytest.fixture
def webhooks_blocked(running: RunningStack) -> Iterator[None]:
    """No webhook arrives."""
    running.phone.control("POST", "/webhooks/policy", {"mode": "drop"})
    yield
    running.phone.control("POST", "/webhooks/policy", {"mode": "normal"})


def approve(finance: Api, refund_url: str) -> None:
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    finance.call("POST", f"{refund_url}/approve", {}, expect=202, headers=headers)


def at_gateway(running: RunningStack, gateway_payment: str) -> list[dict[str, Any]]:
    """Return the refunds of a payment as the gateway has them."""
    return [one for one in running.phone.control("GET", "/truth")["refunds"] if one["payment_id"] == gateway_payment]


def read_refund_facts(running: RunningStack, buyer: Buyer, order_id: str, gateway_payment: str) -> tuple[Any, ...]:
    """Return the gateway's refunds of an order's payment, what is booked of its money, and how it is paid."""
    order = buyer.order(order_id)
    booked = running.read(
        "SELECT t.kind FROM ledger_ledgertransaction t JOIN orders_order o ON o.id = t.order_id"
        f" WHERE o.number = '{order['number']}' AND t.source_type LIKE 'payments.%' ORDER BY t.kind"
    )
    refunds = [(one["amount"] - order["total_amount"], one["status"]) for one in at_gateway(running, gateway_payment)]
    return refunds, [kind for (kind,) in booked], order["payment_status"]


#: All of the money, once.
REFUNDED_ONCE = ([(0, "processed")], ["capture", "refund", "refund_due"], "refunded")


def test_worker_killed_after_the_gateways_response_refunds_once(
    running: RunningStack, buyer: Buyer, finance: Api, keys: Path, webhooks_blocked: None
) -> None:
    order_id, gateway_payment = buy_before_blocking(running, buyer)
    refund_url = buyer.request_refund(order_id)
    points.arm(running.fault_dir, points.WORKER_AFTER_REFUND)

    approve(finance, refund_url)
    wait_for(lambda: not points.is_armed(running.fault_dir, points.WORKER_AFTER_REFUND))
    assert len(at_gateway(running, gateway_payment)) == 1

    buyer.wait_until_refund_is(refund_url, "processed")
    assert read_refund_facts(running, buyer, order_id, gateway_payment) == REFUNDED_ONCE
    assert len(set(keys.read_text().split())) == 1
    assert running.audit() == []


def buy_before_blocking(running: RunningStack, buyer: Buyer) -> tuple[str, str]:
    """Buy with webhooks, and lose them from then on."""
    running.phone.control("POST", "/webhooks/policy", {"mode": "normal"})
    bought = buyer.buy()
    running.phone.control("GET", "/webhooks", wait=5)
    running.phone.control("POST", "/webhooks/policy", {"mode": "drop"})
    return bought


@pytest.mark.parametrize(
    ("fault", "calls"),
    [
        ({"kind": "delay", "delay_ms": 3000}, 1),
        ({"kind": "drop_after_commit"}, 1),
        ({"kind": "drop_before_commit"}, 2),
    ],
    ids=["it answers too late", "its answer is lost", "our request is lost"],
)
def test_unknown_refund_is_resolved_under_the_same_key(
    running: RunningStack,
    buyer: Buyer,
    finance: Api,
    keys: Path,
    webhooks_blocked: None,
    fault: dict[str, Any],
    calls: int,
) -> None:
    order_id, gateway_payment = buy_before_blocking(running, buyer)
    refund_url = buyer.request_refund(order_id)
    # The look-up is kept from answering once, so that not knowing can be seen.
    running.phone.control("POST", "/faults", {"path": "/v1/payments/*/refunds", "method": "GET", "kind": "malformed"})
    running.phone.control("POST", "/faults", {**REFUND_CALL, **fault})

    approve(finance, refund_url)

    buyer.wait_until_refund_is(refund_url, "processed")
    assert was_unknown(running, buyer.order(order_id)["number"])
    assert read_refund_facts(running, buyer, order_id, gateway_payment) == REFUNDED_ONCE
    sent = keys.read_text().split()
    assert (len(sent), len(set(sent))) == (calls, 1)
    assert running.audit() == []


def was_unknown(running: RunningStack, number: str) -> bool:
    """Tell whether a refund of this order was unknown at some time, however short: nobody may have looked just then."""
    return bool(
        running.read(
            "SELECT 1 FROM core_event e JOIN orders_order o ON o.id = e.root_id"
            f" WHERE o.number = '{number}' AND e.type = 'payments.refund.unknown'"
        )
    )


def test_slow_refund_is_processed_without_a_webhook(
    running: RunningStack, buyer: Buyer, finance: Api, keys: Path, webhooks_blocked: None
) -> None:
    order_id, gateway_payment = buy_before_blocking(running, buyer)
    refund_url = buyer.request_refund(order_id)
    running.phone.control("POST", "/knobs/razorpay", {"refund_outcome": "manual"})
    try:
        approve(finance, refund_url)
        (made,) = wait_for(lambda: at_gateway(running, gateway_payment))
        wait_for(lambda: buyer.api.get(refund_url)["gateway_refund_id"] == made["id"])
        assert buyer.api.get(refund_url)["status"] == "pending"
        running.phone.control("POST", f"/refunds/{made['id']}/conclude", {"outcome": "processed"})
    finally:
        running.phone.control("POST", "/knobs/razorpay", {"refund_outcome": "processed"})

    buyer.wait_until_refund_is(refund_url, "processed")
    assert read_refund_facts(running, buyer, order_id, gateway_payment) == REFUNDED_ONCE
    assert len(keys.read_text().split()) == 1
    assert running.audit() == []


# Settlements ----------------------------------------------------------------------------------------------------------

LINES, PER_SETTLEMENT = 600, 200
HEADER = "entity_id,type,debit,credit,amount,currency,fee,tax,settled,created_at,settled_at,settlement_id,settlement_utr,credit_type"


def a_report(path: Path, *, of: str) -> Path:
    """Write a report of bought fee credits, a rupee each, in settlements of two hundred."""
    at = int(time.time()) - 60
    lines = (
        f"adj_{of}{number:08d},adjustment,0,100,100,INR,0,0,true,{at},{at + 1},setl_{of}{number // PER_SETTLEMENT:08d},UTR,fee"
        for number in range(LINES)
    )
    path.write_text("\n".join([HEADER, *lines, ""]))
    return path


@pytest.mark.parametrize(
    ("point", "read", "booked"),
    [(points.IMPORT_AMID_READING, 200, 0), (points.IMPORT_AMID_BOOKING, LINES, PER_SETTLEMENT)],
    ids=["reading", "booking"],
)
def test_killed_import_resumes_where_it_was(
    running: RunningStack, tmp_path: Path, point: str, read: int, booked: int
) -> None:
    of = f"{uuid.uuid4().hex[:6]}"
    report = a_report(tmp_path / "report.csv", of=of)
    points.arm(running.fault_dir, point)

    killed = running.manage("import_settlements", "--csv", str(report))

    assert killed.returncode == -signal.SIGKILL
    assert _import_of(running) == (read, "waiting")
    assert _booked(running, of) == (booked, booked * 100)
    refused = running.manage("import_settlements", "--csv", str(report))
    assert "is already being imported" in refused.stderr
    running.write("UPDATE settlements_settlementimport SET claimed_until = now() WHERE claimed_until IS NOT NULL")
    done = wait_for(lambda: _imported(running, report))
    assert f"{LINES} rows read" in done
    assert _import_of(running) == (LINES, "completed")
    assert _booked(running, of) == (LINES, LINES * 100)
    assert running.read(
        f"SELECT count(*), sum(lines_amount) FROM settlements_settlement WHERE gateway_settlement_id LIKE 'setl_{of}%'"
    ) == [(LINES // PER_SETTLEMENT, LINES * 100)]
    assert running.audit() == []


def _imported(running: RunningStack, report: Path) -> str:
    found = running.manage("import_settlements", "--csv", str(report))
    return found.stdout if found.returncode == 0 else ""


def _import_of(running: RunningStack) -> tuple[Any, ...]:
    return running.read("SELECT rows_read, status FROM settlements_settlementimport ORDER BY created_at DESC LIMIT 1")[
        0
    ]


def _booked(running: RunningStack, of: str) -> tuple[int, int]:
    """Return how many lines of a report there are, and what was posted to the bank for them, in paise."""
    ((count, _),) = running.read(
        f"SELECT count(*), count(DISTINCT entity_id) FROM settlements_settlementline WHERE entity_id LIKE 'adj_{of}%'"
    )
    ((paise,),) = running.read(
        "SELECT coalesce(sum(e.amount), 0)::bigint FROM ledger_ledgerentry e"
        " JOIN ledger_ledgertransaction t ON t.id = e.transaction_id JOIN settlements_settlement s ON s.id = t.source_id"
        f" WHERE e.account_id = 'settlement_in_transit' AND s.gateway_settlement_id LIKE 'setl_{of}%'"
    )
    return count, paise
