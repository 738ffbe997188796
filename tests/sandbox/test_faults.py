"""Answers that come late, spoilt, as errors, or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import requests

from sandbox.server import ControlRefused, Sandbox

ORDER = {"amount": 100, "currency": "INR", "receipt": "R1"}


def create(http: requests.Session, sandbox: Sandbox, timeout: float = 10) -> requests.Response:
    return http.post(f"{sandbox.razorpay_url}/v1/orders", json=ORDER, timeout=timeout)


def count(sandbox: Sandbox) -> int:
    return len(sandbox.control("GET", "/truth")["orders"])


def test_answer_lost_after_commit_leaves_the_order(http: requests.Session, sandbox: Sandbox) -> None:
    sandbox.control("POST", "/faults", {"path": "/v1/orders", "kind": "drop_after_commit"})

    with pytest.raises(requests.ConnectionError):
        create(http, sandbox)

    assert count(sandbox) == 1
    found = http.get(f"{sandbox.razorpay_url}/v1/orders", params={"receipt": "R1"}, timeout=10).json()
    assert found["count"] == 1
    (entry,) = sandbox.control("GET", "/journal", method="POST")["items"]
    assert (entry["status"], entry["note"]) == (None, "fault: drop_after_commit")


def test_answer_lost_before_commit_leaves_nothing(http: requests.Session, sandbox: Sandbox) -> None:
    sandbox.control("POST", "/faults", {"path": "/v1/orders", "kind": "drop_before_commit"})

    with pytest.raises(requests.ConnectionError):
        create(http, sandbox)

    assert count(sandbox) == 0


def test_slow_answer_has_taken_effect_when_the_caller_gives_up(http: requests.Session, sandbox: Sandbox) -> None:
    sandbox.control("POST", "/faults", {"path": "/v1/orders", "kind": "delay", "delay_ms": 400, "times": 2})

    with pytest.raises(requests.ReadTimeout):
        create(http, sandbox, timeout=0.1)
    deadline = time.monotonic() + 60
    while count(sandbox) != 1:  # the request is on its way, and the sandbox may not have had its turn
        assert time.monotonic() < deadline
        time.sleep(0.02)
    started = time.monotonic()
    assert create(http, sandbox).status_code == 200
    assert time.monotonic() - started >= 0.4


@pytest.mark.parametrize(
    ("status", "code"), [(429, "BAD_REQUEST_ERROR"), (500, "SERVER_ERROR"), (502, "GATEWAY_ERROR"), (401, None)]
)
def test_error_status_has_a_body_of_the_right_shape(
    http: requests.Session, sandbox: Sandbox, status: int, code: str | None
) -> None:
    sandbox.control("POST", "/faults", {"path": "/v1/orders", "kind": "status", "status": status})

    answer = create(http, sandbox)

    assert answer.status_code == status
    assert answer.json()["error"]["code"] == (code or "BAD_REQUEST_ERROR")
    assert count(sandbox) == 0
    assert create(http, sandbox).status_code == 200


def test_error_may_come_although_the_request_took_effect(http: requests.Session, sandbox: Sandbox) -> None:
    sandbox.control("POST", "/faults", {"path": "/v1/orders", "kind": "status", "after_commit": True})

    assert create(http, sandbox).status_code == 502
    assert count(sandbox) == 1


def test_malformed_answer_is_half_an_answer(http: requests.Session, sandbox: Sandbox) -> None:
    sandbox.control("POST", "/faults", {"path": "/v1/orders", "kind": "malformed"})

    answer = create(http, sandbox)

    assert answer.status_code == 200
    with pytest.raises(requests.JSONDecodeError):
        answer.json()
    assert count(sandbox) == 1


def test_html_answer_is_a_gateway_page(http: requests.Session, sandbox: Sandbox) -> None:
    sandbox.control("POST", "/faults", {"path": "/razorpay/v1/*", "kind": "html"})

    answer = create(http, sandbox)

    assert (answer.status_code, answer.headers["Content-Type"]) == (502, "text/html; charset=utf-8")
    assert count(sandbox) == 0


def test_fault_is_used_up_and_can_be_aimed(http: requests.Session, sandbox: Sandbox) -> None:
    fault = {"path": "/v1/orders", "method": "POST", "kind": "status", "status": 500, "skip": 1, "times": 2}
    sandbox.control("POST", "/faults", fault)
    listing = http.get(f"{sandbox.razorpay_url}/v1/orders", timeout=10)

    assert listing.status_code == 200
    assert [create(http, sandbox).status_code for _ in range(4)] == [200, 500, 500, 200]
    assert sandbox.control("GET", "/faults")["items"] == []


def test_faults_can_be_forgotten(http: requests.Session, sandbox: Sandbox) -> None:
    sandbox.control("POST", "/faults", {"path": "*", "kind": "status", "times": 100})
    assert create(http, sandbox).status_code == 502

    assert sandbox.control("DELETE", "/faults") == {"cleared": 1}

    assert create(http, sandbox).status_code == 200


def test_faults_reach_msg91_too(sandbox: Sandbox, msg91: Callable[..., requests.Response]) -> None:
    sandbox.control("POST", "/faults", {"path": "/api/v5/otp", "service": "msg91", "kind": "status", "status": 503})

    answer = msg91("POST", "/api/v5/otp", template_id="t", mobile="919876543210")

    assert (answer.status_code, answer.json()["type"]) == (503, "error")
    assert sandbox.control("GET", "/sms")["items"] == []


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "delay"},
        {"path": "/v1/orders"},
        {"path": "/v1/orders", "kind": "meteor"},
        {"path": "/v1/orders", "kind": "status", "status": 200},
        {"path": "/v1/orders", "kind": "delay", "times": 0},
        {"path": "/v1/orders", "kind": "delay", "service": "bank"},
        {"path": "/v1/orders", "kind": "delay", "after_commit": 1},
    ],
)
def test_senseless_fault_is_refused(sandbox: Sandbox, fault: dict[str, Any]) -> None:
    with pytest.raises(ControlRefused, match="400"):
        sandbox.control("POST", "/faults", fault)

    assert sandbox.control("GET", "/faults")["items"] == []
