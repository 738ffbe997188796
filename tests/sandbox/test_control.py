"""The control API itself, the index page, determinism, and what survives a restart."""

from __future__ import annotations

import smtplib
import threading
import time
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import razorpay
import requests

from sandbox.control.routes import CALLS
from sandbox.ids import Ids
from sandbox.server import ControlRefused, Sandbox, running
from sandbox.settings import DEV_KEY_ID, DEV_KEY_SECRET, NotLoopback, Settings

Msg91 = Callable[..., requests.Response]


def client(sandbox: Sandbox) -> razorpay.Client:
    return razorpay.Client(auth=(DEV_KEY_ID, DEV_KEY_SECRET), base_url=sandbox.razorpay_url)


def test_same_seed_gives_the_same_ids_whatever_the_interleaving() -> None:
    one, other = Ids(7), Ids(7)
    first = [one.razorpay("order"), one.razorpay("pay"), one.razorpay("order")]
    second = [other.razorpay("order"), other.razorpay("order"), other.razorpay("pay")]

    assert sorted(first) == sorted(second)
    assert Ids(8).razorpay("order") != first[0]
    assert len({one.razorpay("order") for _ in range(1_000)}) == 1_000


def test_reset_forgets_everything_and_starts_the_series_again(sdk: razorpay.Client, sandbox: Sandbox) -> None:
    order = sdk.order.create({"amount": 100, "currency": "INR"})
    sandbox.control("POST", "/reset")
    assert sandbox.control("GET", "/truth")["orders"] == []
    assert sdk.order.create({"amount": 100, "currency": "INR"})["id"] == order["id"]

    sandbox.control("POST", "/reset", {"keep_ids": True})

    assert sdk.order.create({"amount": 100, "currency": "INR"})["id"] != order["id"]


def test_help_lists_every_call_and_the_page_shows_them(sandbox: Sandbox, http: requests.Session) -> None:
    listed = sandbox.control("GET", "/help")["calls"]
    page = http.get(sandbox.url, timeout=10)

    assert [(row["method"], row["path"]) for row in listed] == [(c.method, f"/__sim__{c.path}") for c in CALLS]
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    for row in listed:
        assert row["summary"] in unescape(page.text)


def test_buttons_of_the_page_play_the_payer(
    sdk: razorpay.Client, sandbox: Sandbox, http: requests.Session, upi_payment: str
) -> None:
    assert f'action="/__sim__/payments/{upi_payment}/approve"' in http.get(f"{sandbox.control_url}/", timeout=10).text

    answer = http.post(f"{sandbox.control_url}/payments/{upi_payment}/approve", data={"back": "1"}, timeout=10)

    assert [step.status_code for step in answer.history] == [303]
    assert "none" in answer.text
    assert sdk.payment.fetch(upi_payment)["status"] == "captured"


def test_page_pays_and_fails_orders(sandbox: Sandbox, http: requests.Session, order: dict[str, Any]) -> None:
    url = f"{sandbox.control_url}/orders/{order['id']}/checkout"
    http.post(url, data={"back": "1", "outcome": "failure"}, timeout=10)
    http.post(url, data={"back": "1", "outcome": "success"}, timeout=10)

    assert sandbox.control("GET", "/truth")["totals"]["payments"] == {"failed": 1, "captured": 1}


def test_page_decides_refunds_and_disputes_and_pays_links_and_codes(
    sdk: razorpay.Client, sandbox: Sandbox, http: requests.Session, paid: str
) -> None:
    sandbox.control("POST", "/knobs/razorpay", {"refund_outcome": "manual"})
    refund = sdk.payment.refund(paid, {"amount": 100})["id"]
    dispute = sandbox.control("POST", "/disputes", {"payment_id": paid})["id"]
    link = sdk.payment_link.create({"amount": 50_000, "currency": "INR"})["id"]
    code = {"type": "upi_qr", "usage": "single_use", "fixed_amount": True, "payment_amount": 60_000}
    qr = sdk.qrcode.create(code)["id"]
    sandbox.control("POST", "/settlements/run", {"errors": {"amount_mismatch": 1}})

    paths = [
        f"refunds/{refund}/conclude",
        f"disputes/{dispute}/decide",
        f"payment_links/{link}/pay",
        f"qr_codes/{qr}/pay",
    ]
    text = http.get(f"{sandbox.control_url}/", timeout=10).text
    assert all(f'action="/__sim__/{path}"' in text for path in paths)
    assert "amount_mismatch" in text
    for path, fields in zip(paths, ({"outcome": "failed"}, {"outcome": "won"}, {}, {}), strict=True):
        http.post(f"{sandbox.control_url}/{path}", data={"back": "1", **fields}, timeout=10)

    assert sdk.refund.fetch(refund)["status"] == "failed"
    assert sdk.dispute.fetch(dispute)["status"] == "won"
    assert sdk.payment_link.fetch(link)["status"] == "paid"
    assert sdk.qrcode.fetch(qr)["status"] == "closed"
    text = http.get(f"{sandbox.control_url}/", timeout=10).text
    assert not any(f'action="/__sim__/{path}"' in text for path in paths)


def test_curl_may_send_json_under_the_content_type_of_a_form(sandbox: Sandbox, http: requests.Session) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = http.post(f"{sandbox.control_url}/clock", data=b'{"advance_seconds": 5}', headers=headers, timeout=10)

    assert (answer.status_code, answer.json()["offset_seconds"]) == (200, 5)
    answer = http.post(f"{sandbox.control_url}/clock", data=b"advance_seconds=5", headers=headers, timeout=10)
    assert (answer.status_code, answer.json()["error"]) == (400, "The body is not JSON.")


def test_paid_order_cannot_be_paid_again(sandbox: Sandbox, order: dict[str, Any]) -> None:
    sandbox.control("POST", f"/orders/{order['id']}/checkout")

    with pytest.raises(ControlRefused, match="409"):
        sandbox.control("POST", f"/orders/{order['id']}/checkout")

    assert sandbox.control("GET", "/truth")["totals"]["captured_amount"] == 117_900


def test_raw_mail_and_the_page_show_what_was_sent(sandbox: Sandbox, http: requests.Session) -> None:
    with smtplib.SMTP("127.0.0.1", sandbox.smtp_port, timeout=10) as smtp:
        smtp.sendmail("a@x.example", ["b@x.example"], b"Subject: Hello\r\n\r\nNamaste\r\n")

    assert http.get(f"{sandbox.control_url}/mails/1/raw", timeout=10).text.startswith("Subject: Hello")
    assert '<a href="/__sim__/mails/1/raw">Hello</a>' in http.get(f"{sandbox.control_url}/", timeout=10).text


def test_paths_that_imitate_nothing_say_so(sandbox: Sandbox, http: requests.Session) -> None:
    assert http.get(f"{sandbox.url}/v1/orders", timeout=10).status_code == 404


def test_page_escapes_what_it_shows(sandbox: Sandbox, http: requests.Session, msg91: Msg91) -> None:
    recipients = [{"mobiles": "919876543210", "NAME": "<script>alert(1)</script>"}]
    msg91("POST", "/api/v5/flow", {"template_id": "hello", "recipients": recipients})

    text = http.get(f"{sandbox.control_url}/", timeout=10).text
    assert "&lt;script&gt;" in text
    assert "<script>" not in text


def test_reading_can_wait_for_a_message(sandbox: Sandbox, msg91: Msg91) -> None:
    def send() -> None:
        msg91("POST", "/api/v5/otp", template_id="login", mobile="919876543210", otp="1234")

    timer = threading.Timer(0.2, send)
    timer.start()
    answer = sandbox.control("GET", "/sms", to="+91 98765 43210", wait=10)
    timer.join()

    assert [sms["otp"] for sms in answer["items"]] == ["1234"]
    assert sandbox.control("GET", "/sms", since=time.time() + 100)["items"] == []
    assert sandbox.control("GET", "/sms", to="919999999999", wait=0.05)["items"] == []


def test_journal_keeps_requests_without_their_credentials(sdk: razorpay.Client, sandbox: Sandbox) -> None:
    sdk.order.create({"amount": 100, "currency": "INR"})

    (entry,) = sandbox.control("GET", "/journal", service="razorpay")["items"]
    assert (entry["direction"], entry["method"], entry["path"], entry["status"]) == ("in", "POST", "/v1/orders", 200)
    assert '"amount": 100' in entry["body"]
    assert DEV_KEY_SECRET not in str(entry)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nothing", None, 404),
        ("POST", "/payments/pay_AAAAAAAAAAAAAA/approve", None, 404),
        ("POST", "/orders/order_AAAAAAAAAAAAAA/checkout", None, 404),
        ("GET", "/mails/1/raw", None, 404),
        ("POST", "/reset", {"colour": "blue"}, 400),
        ("POST", "/clock", {"advance_seconds": -1}, 400),
        ("POST", "/clock", {}, 400),
        ("GET", "/sms?wait=long", None, 400),
    ],
)
def test_senseless_calls_are_refused(
    sandbox: Sandbox, method: str, path: str, body: dict[str, Any] | None, status: int
) -> None:
    with pytest.raises(ControlRefused) as refusal:
        sandbox.control(method, path, body)

    assert refusal.value.status == status


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Origin": "null"}])
def test_pages_from_elsewhere_cannot_reach_it(
    sandbox: Sandbox, http: requests.Session, headers: dict[str, str]
) -> None:
    assert http.get(f"{sandbox.control_url}/health", headers=headers, timeout=10).status_code == 403


@pytest.mark.parametrize("settings", [{"host": "0.0.0.0"}, {"webhook_url": "https://example.com/hook"}])
def test_it_stays_on_this_machine(settings: dict[str, str]) -> None:
    with pytest.raises(NotLoopback):
        Settings(**settings)


def test_snapshot_carries_everything_over_a_restart(tmp_path: Path) -> None:
    snapshot = tmp_path / "sandbox.json"
    with running(snapshot=snapshot) as sandbox:
        sdk = client(sandbox)
        order = sdk.order.create({"amount": 100, "currency": "INR", "receipt": "R1"})
        paid = sandbox.control("POST", f"/orders/{order['id']}/checkout")
        sandbox.control("POST", "/clock", {"advance_seconds": 1_000})
        before = sandbox.control("GET", "/truth")

    with running(snapshot=snapshot) as sandbox:
        sdk = client(sandbox)
        assert sandbox.control("GET", "/truth") == before
        assert sdk.order.all({"receipt": "R1"})["items"][0]["id"] == order["id"]
        assert sdk.order.payments(order["id"])["items"][0]["id"] == paid["razorpay_payment_id"]
        assert sandbox.control("GET", "/health")["now"] > time.time() + 900
        assert sandbox.control("GET", "/webhooks")["count"] == 3
        assert sdk.order.create({"amount": 100, "currency": "INR"})["id"] != order["id"]


def test_snapshot_is_written_while_running_and_a_killed_sandbox_repeats_no_id(tmp_path: Path) -> None:
    snapshot = tmp_path / "sandbox.json"
    with running(snapshot=snapshot) as sandbox:
        order = client(sandbox).order.create({"amount": 100, "currency": "INR"})
        deadline = time.monotonic() + 60
        while not snapshot.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        written = snapshot.read_text()
        unsaved = client(sandbox).order.create({"amount": 100, "currency": "INR"})
    snapshot.write_text(written)

    with running(snapshot=snapshot) as sandbox:
        assert client(sandbox).order.fetch(order["id"]) == order
        assert client(sandbox).order.create({"amount": 100, "currency": "INR"})["id"] != unsaved["id"]


def test_foreign_snapshot_is_refused(tmp_path: Path) -> None:
    snapshot = tmp_path / "sandbox.json"
    snapshot.write_text("{}")

    with pytest.raises(ValueError, match="not a snapshot"), running(snapshot=snapshot):
        pass


def test_without_an_address_webhooks_are_only_recorded() -> None:
    with running() as sandbox:
        order = client(sandbox).order.create({"amount": 100, "currency": "INR"})
        sandbox.control("POST", f"/orders/{order['id']}/checkout")

        assert {row["status"] for row in sandbox.control("GET", "/webhooks", wait=5)["items"]} == {"unaddressed"}


def test_parallel_orders_are_all_kept(sandbox: Sandbox) -> None:
    ids: list[str] = []

    def create() -> None:
        sdk = client(sandbox)
        for _ in range(10):
            ids.append(sdk.order.create({"amount": 100, "currency": "INR"})["id"])

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(ids)) == 80
    assert {row["id"] for row in sandbox.control("GET", "/truth")["orders"]} == set(ids)
