"""MSG91: what is accepted, what is refused with HTTP 200, and what a phone shows."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import requests

from sandbox.server import Sandbox

Msg91 = Callable[..., requests.Response]
MOBILE = "919876543210"


def send(msg91: Msg91, **query: Any) -> dict[str, Any]:
    return msg91("POST", "/api/v5/otp", {}, **{"template_id": "login", "mobile": MOBILE, **query}).json()


def verify(msg91: Msg91, otp: str) -> dict[str, Any]:
    return msg91("GET", "/api/v5/otp/verify", mobile=MOBILE, otp=otp).json()


def refused(message: str) -> dict[str, str]:
    return {"type": "error", "message": message}


def latest(sandbox: Sandbox) -> dict[str, Any]:
    return sandbox.control("GET", "/sms", to=MOBILE)["items"][0]


def test_own_otp_is_sent_as_given(sandbox: Sandbox, msg91: Msg91) -> None:
    answer = send(msg91, otp="123456")

    sms = latest(sandbox)
    assert re.fullmatch(r"[0-9a-f]{24}", sms["request_id"])
    assert answer == {"type": "success", "request_id": sms["request_id"]}
    assert (sms["otp"], sms["to"], sms["kind"], sms["template_id"]) == ("123456", MOBILE, "otp", "login")
    assert "123456" in sms["text"]


@pytest.mark.parametrize(("query", "length"), [({}, 4), ({"otp_length": 6}, 6)])
def test_otp_is_made_where_none_is_given(sandbox: Sandbox, msg91: Msg91, query: dict[str, Any], length: int) -> None:
    send(msg91, **query)

    assert re.fullmatch(rf"\d{{{length}}}", latest(sandbox)["otp"])


def test_correct_otp_verifies_once(sandbox: Sandbox, msg91: Msg91) -> None:
    send(msg91, otp="123456")

    assert verify(msg91, "000000") == refused("OTP not match")
    assert verify(msg91, "123456") == {"type": "success", "message": "OTP verified success"}
    assert verify(msg91, "123456") == refused("Mobile no. already verified")


def test_otp_expires_and_allows_five_wrong_attempts(sandbox: Sandbox, msg91: Msg91) -> None:
    assert verify(msg91, "123456") == refused("Mobile no. not found")
    send(msg91, otp="123456", otp_expiry=5)
    for _ in range(5):
        assert verify(msg91, "000000") == refused("OTP not match")
    assert verify(msg91, "123456") == refused("Max limit reached for this otp verification")
    send(msg91, otp="654321", otp_expiry=5)
    sandbox.control("POST", "/clock", {"advance_seconds": 300})

    assert verify(msg91, "654321") == refused("OTP expired")


def test_otp_is_sent_again_three_times(sandbox: Sandbox, msg91: Msg91) -> None:
    def retry(**query: Any) -> dict[str, Any]:
        return msg91("GET", "/api/v5/otp/retry", mobile=MOBILE, **query).json()

    assert retry() == refused("No OTP request found to retryotp")
    send(msg91, otp="123456")
    assert retry(retrytype="text") == {"type": "success", "message": "retry send successfully"}
    assert (latest(sandbox)["otp"], latest(sandbox)["channel"]) == ("123456", "text")
    retry()
    assert latest(sandbox)["channel"] == "voice"
    retry()
    assert retry() == refused("OTP retry count maxed out")


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ({"template_id": ""}, refused("Template ID Missing or Invalid Template")),
        ({"template_id": "wrong-template"}, refused("Template ID Missing or Invalid Template")),
        ({"mobile": ""}, {**refused("Missing mobile no."), "code": "101"}),
        ({"mobile": "+919876543210"}, {**refused("Invalid Mobile no."), "code": "202"}),
        ({"otp_length": 3}, refused("invalid_otp_length")),
        ({"otp": "12"}, refused("invalid_otp_length")),
        ({"otp_expiry": 0}, refused("invalid_otp_expiry")),
    ],
)
def test_refused_otp_is_a_200_and_no_sms(
    sandbox: Sandbox, msg91: Msg91, query: dict[str, Any], answer: dict[str, str]
) -> None:
    response = msg91("POST", "/api/v5/otp", **{"template_id": "login", "mobile": MOBILE, **query})

    assert (response.status_code, response.json()) == (200, answer)
    assert sandbox.control("GET", "/sms")["items"] == []


def test_flow_fills_its_template_for_each_recipient(sandbox: Sandbox, msg91: Msg91) -> None:
    sandbox.control("POST", "/knobs/msg91", {"templates": {"paid": "Paid ##AMOUNT## for ##ORDER##."}})
    recipients = [
        {"mobiles": MOBILE, "AMOUNT": "1179.00", "ORDER": "ORD-1"},
        {"mobiles": "919876543211", "AMOUNT": "5.00", "ORDER": "ORD-2"},
    ]

    answer = msg91("POST", "/api/v5/flow", {"template_id": "paid", "short_url": "0", "recipients": recipients}).json()

    assert answer["type"] == "success"
    sms = latest(sandbox)
    assert (sms["text"], sms["request_id"], sms["otp"]) == ("Paid 1179.00 for ORD-1.", answer["message"], None)
    assert sms["variables"] == {"AMOUNT": "1179.00", "ORDER": "ORD-1"}
    assert sandbox.control("GET", "/sms")["count"] == 2


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"recipients": [{"mobiles": MOBILE}]}, "template id missing"),
        ({"template_id": "wrong-template", "recipients": [{"mobiles": MOBILE}]}, "Template ID Missing or Invalid"),
        ({"template_id": "paid"}, "recipients missing"),
        ({"template_id": "paid", "recipients": []}, "recipients missing"),
        ({"template_id": "paid", "recipients": [{"mobiles": "12"}]}, "Invalid Mobile no."),
        (["no object"], "Invalid JSON"),
    ],
)
def test_refused_flow_is_a_200_and_no_sms(sandbox: Sandbox, msg91: Msg91, body: Any, message: str) -> None:
    response = msg91("POST", "/api/v5/flow", body)

    assert (response.status_code, response.json()["type"]) == (200, "error")
    assert response.json()["message"].startswith(message)
    assert sandbox.control("GET", "/sms")["items"] == []


def test_strict_account_knows_its_own_templates_only(sandbox: Sandbox, msg91: Msg91) -> None:
    sandbox.control("POST", "/knobs/msg91", {"strict_templates": True, "templates": {"login": "Code ##OTP##"}})

    assert send(msg91, template_id="other")["type"] == "error"
    assert send(msg91, otp="1234")["type"] == "success"
    assert latest(sandbox)["text"] == "Code 1234"


def test_duplicate_within_the_window_is_discarded(sandbox: Sandbox, msg91: Msg91) -> None:
    assert send(msg91)["type"] == "success"
    assert send(msg91)["type"] == "success"
    sandbox.control("POST", "/knobs/msg91", {"duplicate_window_seconds": 10})

    duplicate = send(msg91)
    sandbox.control("POST", "/clock", {"advance_seconds": 10})

    assert (duplicate["type"], duplicate["code"]) == ("error", "311")
    assert send(msg91)["type"] == "success"
    assert sandbox.control("GET", "/sms")["count"] == 3


@pytest.mark.parametrize("key", [None, "wrong"])
def test_wrong_auth_key_is_a_401(sandbox: Sandbox, http: requests.Session, key: str | None) -> None:
    answer = http.post(f"{sandbox.msg91_url}/api/v5/otp", headers={"authkey": key} if key else {}, timeout=10)

    assert answer.status_code == 401
    assert answer.json() == {
        "message": "Unauthorized",
        "status": "fail",
        "hasError": True,
        "code": "201",
        "apiError": "201",
    }


def test_auth_key_may_come_in_the_query(sandbox: Sandbox, http: requests.Session) -> None:
    query = {"authkey": sandbox.settings.msg91_auth_key, "template_id": "login", "mobile": MOBILE}

    assert http.post(f"{sandbox.msg91_url}/api/v5/otp", params=query, timeout=10).json()["type"] == "success"
    assert latest(sandbox)["variables"] == {}


def test_address_that_is_not_listed_is_refused(sandbox: Sandbox, msg91: Msg91) -> None:
    sandbox.control("POST", "/knobs/msg91", {"ip_allowed": False})

    assert send(msg91)["code"] == "418"


def test_unknown_path_is_a_404(msg91: Msg91) -> None:
    assert msg91("GET", "/api/v5/flow").status_code == 404
    assert msg91("GET", "/api/v6/otp").status_code == 404
