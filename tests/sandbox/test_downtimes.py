"""Downtimes of payment methods: planned, started, changed, resolved, listed and reported."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from sandbox.server import ControlRefused, Sandbox
from tests.support.sandbox import sent_webhooks


def plan(sandbox: Sandbox, **body: Any) -> dict[str, Any]:
    downtime: dict[str, Any] = sandbox.control("POST", "/downtimes", body)
    return downtime


def listed(sandbox: Sandbox, http: requests.Session, path: str = "") -> Any:
    return http.get(f"{sandbox.razorpay_url}/v1/payments/downtimes{path}", timeout=10).json()


def reported(sandbox: Sandbox) -> list[tuple[str, str]]:
    envelopes = sent_webhooks(sandbox)
    return [
        (envelope["event"], envelope["payload"]["payment.downtime"]["entity"]["status"])
        for envelope in envelopes
        if envelope["event"].startswith("payment.downtime.")
    ]


def test_downtime_of_now_is_started_listed_and_reported(sandbox: Sandbox, http: requests.Session) -> None:
    downtime = plan(sandbox, method="card", instrument={"network": "VISA", "card_type": "credit"}, severity="medium")

    assert downtime == {
        "id": downtime["id"],
        "entity": "payment.downtime",
        "method": "card",
        "begin": downtime["created_at"],
        "end": None,
        "status": "started",
        "scheduled": False,
        "severity": "medium",
        "instrument": {"network": "VISA", "card_type": "credit"},
        "created_at": downtime["created_at"],
        "updated_at": downtime["created_at"],
    }
    assert listed(sandbox, http) == {"entity": "collection", "count": 1, "items": [downtime]}
    assert listed(sandbox, http, f"/{downtime['id']}") == downtime
    (envelope,) = sent_webhooks(sandbox, "payment.downtime.started")
    assert envelope["contains"] == ["payment.downtime"]
    assert envelope["payload"]["payment.downtime"]["entity"] == {
        **downtime,
        "instrument": {"network": "VISA", "type": "credit"},
        "instrument_schema": ["network", "type"],
    }


def test_course_of_a_downtime_is_reported(sandbox: Sandbox, http: requests.Session) -> None:
    downtime = plan(sandbox)

    sandbox.control("POST", f"/downtimes/{downtime['id']}/update", {"severity": "low"})
    sandbox.control("POST", f"/downtimes/{downtime['id']}/resolve")

    assert reported(sandbox) == [
        ("payment.downtime.started", "started"),
        ("payment.downtime.updated", "updated"),
        ("payment.downtime.resolved", "resolved"),
    ]
    assert listed(sandbox, http)["items"] == []
    assert listed(sandbox, http, f"/{downtime['id']}")["status"] == "resolved"


def test_scheduled_downtime_begins_and_ends_by_the_clock(sandbox: Sandbox, http: requests.Session) -> None:
    downtime = plan(sandbox, method="netbanking", instrument={"bank": "HDFC"}, begin_in_seconds=600, lasts_seconds=300)
    assert (downtime["status"], downtime["scheduled"]) == ("scheduled", True)
    assert downtime["end"] == downtime["begin"] + 300
    assert reported(sandbox) == []

    sandbox.control("POST", "/clock", {"advance_seconds": 700})
    assert listed(sandbox, http)["items"][0]["status"] == "started"
    sandbox.control("POST", "/clock", {"advance_seconds": 300})

    assert listed(sandbox, http)["items"] == []
    assert [event for event, _ in reported(sandbox)] == ["payment.downtime.started", "payment.downtime.resolved"]


def test_downtime_without_an_announced_end_ends_by_the_clock(sandbox: Sandbox) -> None:
    downtime = plan(sandbox, lasts_seconds=60)
    assert downtime["end"] is None

    sandbox.control("POST", "/clock", {"advance_seconds": 61})

    (truth,) = sandbox.control("GET", "/truth")["downtimes"]
    assert (truth["status"], truth["end"]) == ("resolved", truth["updated_at"])


def test_resolved_downtime_stays_resolved(sandbox: Sandbox) -> None:
    downtime = plan(sandbox)
    sandbox.control("POST", f"/downtimes/{downtime['id']}/resolve")

    for call, body in (("resolve", {}), ("update", {"severity": "low"})):
        with pytest.raises(ControlRefused, match="is resolved"):
            sandbox.control("POST", f"/downtimes/{downtime['id']}/{call}", body)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"method": "cash"}, "method must be one of: upi, card, netbanking."),
        ({"severity": "huge"}, "severity must be one of: high, medium, low."),
        ({"instrument": {"bank": "HDFC"}}, "An instrument of upi has vpa_handle, psp, flow, each a string."),
        ({"instrument": {"psp": 1}}, "An instrument of upi has vpa_handle, psp, flow, each a string."),
    ],
)
def test_impossible_downtime_is_refused(sandbox: Sandbox, body: dict[str, Any], message: str) -> None:
    with pytest.raises(ControlRefused, match=message):
        plan(sandbox, **body)


def test_unknown_downtime_is_refused_as_documented(sandbox: Sandbox, http: requests.Session) -> None:
    assert listed(sandbox, http, "/down_XXXXXXXXXXXXXX")["error"]["description"] == "The id provided does not exist"
