"""Settlements, their report by API and CSV, planted errors, and reports made up."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from datetime import datetime
from typing import Any

import pytest
import razorpay
import requests
from razorpay.errors import BadRequestError

from sandbox.razorpay import settlement_reports, synthetic_reports
from sandbox.razorpay.bank_calendar import add_months, compute_settlement_time
from sandbox.server import ControlRefused, Sandbox
from tests.support.sandbox import IST, make_payment, run_settlement, sent_webhooks, settlement_report

DAY = 24 * 3600


def ist(*when: int) -> int:
    return int(datetime(*when, tzinfo=IST).timestamp())  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("captured", "due"),
    [
        ((2026, 11, 16, 9, 0), (2026, 11, 18, 10, 30)),  # Monday
        ((2026, 11, 19, 23, 59), (2026, 11, 23, 10, 30)),  # Thursday: Friday, Monday
        ((2026, 11, 21, 12, 0), (2026, 11, 24, 10, 30)),  # Saturday: Monday, Tuesday
        ((2026, 11, 24, 0, 1), (2026, 11, 27, 10, 30)),  # Tuesday before a holiday
    ],
)
def test_settlement_falls_due_two_working_days_later(captured: tuple[int, ...], due: tuple[int, ...]) -> None:
    assert compute_settlement_time(ist(*captured), working_days=2, holidays=["2026-11-25"]) == ist(*due)


def test_six_months_end_on_the_last_day_of_a_short_month() -> None:
    assert add_months(ist(2026, 8, 31, 12, 0), 6) == ist(2027, 2, 28, 12, 0)


def test_report_has_a_line_for_each_payment_and_refund(sdk: razorpay.Client, sandbox: Sandbox) -> None:
    card = make_payment(sdk, sandbox, 100_000, method="card")
    upi = make_payment(sdk, sandbox, 50_000)
    refund = sdk.payment.refund(upi, {"amount": 20_000, "notes": {}})

    answer = run_settlement(sandbox)

    settlement = answer["settlement"]
    assert (settlement["entity"], settlement["status"], settlement["fees"], settlement["tax"]) == (
        "settlement",
        "processed",
        3_540,
        540,
    )
    assert settlement["amount"] == 100_000 + 50_000 - 3_540 - 20_000
    assert sdk.settlement.all()["items"] == [settlement]
    assert sdk.settlement.fetch(settlement["id"]) == settlement
    first, second, third = settlement_report(sdk, settlement)
    payment = sdk.payment.fetch(card)
    assert tuple(first) == settlement_reports.COLUMNS
    assert first == {
        "entity_id": card,
        "type": "payment",
        "debit": 0,
        "credit": 97_640,
        "amount": 100_000,
        "currency": "INR",
        "fee": 2_360,
        "tax": 360,
        "on_hold": False,
        "settled": True,
        "created_at": payment["created_at"],
        "settled_at": settlement["created_at"],
        "settlement_id": settlement["id"],
        "posted_at": None,
        "credit_type": "default",
        "description": None,
        "notes": None,
        "payment_id": None,
        "settlement_utr": settlement["utr"],
        "order_id": payment["order_id"],
        "order_receipt": "R100000",
        "method": "card",
        "card_network": "Visa",
        "card_issuer": "HDFC",
        "card_type": "credit",
        "dispute_id": None,
    }
    assert (second["entity_id"], second["card_network"]) == (upi, None)
    assert [third[name] for name in ("entity_id", "type", "debit", "credit", "payment_id", "order_receipt")] == [
        refund["id"],
        "refund",
        20_000,
        0,
        upi,
        "R50000",
    ]
    (envelope,) = sent_webhooks(sandbox, "settlement.processed")
    assert (envelope["contains"], envelope["payload"]["settlement"]["entity"]) == (["settlement"], settlement)


def test_notes_come_as_text(sdk: razorpay.Client, sandbox: Sandbox, paid: str) -> None:
    sdk.payment.edit(paid, {"notes": {"k": "v"}})

    (row,) = settlement_report(sdk, run_settlement(sandbox)["settlement"])

    assert row["notes"] == '{"k":"v"}'


def test_nothing_is_settled_twice_and_nothing_from_nothing(sdk: razorpay.Client, sandbox: Sandbox, paid: str) -> None:
    assert run_settlement(sandbox)["lines"] == 1

    assert run_settlement(sandbox) == {"settlement": None, "lines": 0, "planted": []}
    assert sdk.settlement.all()["count"] == 1


def test_clock_settles_after_two_working_days(sdk: razorpay.Client, sandbox: Sandbox, paid: str) -> None:
    captured_at = sandbox.control("GET", "/truth")["payments"][0]["captured_at"]
    due = compute_settlement_time(captured_at, working_days=2, holidays=[])
    now = sandbox.control("GET", "/health")["now"]
    sandbox.control("POST", "/clock", {"advance_seconds": due - now - 120})
    assert sdk.settlement.all()["count"] == 0
    assert run_settlement(sandbox, due_only=True)["settlement"] is None

    sandbox.control("POST", "/clock", {"advance_seconds": 10 * DAY})

    (settlement,) = sdk.settlement.all()["items"]
    assert (settlement["created_at"], settlement["amount"]) == (due, 115_118)
    assert sandbox.control("GET", "/truth")["totals"]["balance"] == 0


def test_refund_waits_for_money_to_be_taken_from(sdk: razorpay.Client, sandbox: Sandbox, paid: str) -> None:
    sdk.payment.refund(paid, {})
    assert run_settlement(sandbox)["lines"] == 1  # the payment alone; the refund is more than that, for the fee is gone
    assert sandbox.control("GET", "/truth")["totals"]["balance"] == -117_900

    make_payment(sdk, sandbox, 300_000)
    answer = run_settlement(sandbox)

    assert answer["lines"] == 2
    assert answer["settlement"]["amount"] == 300_000 - 7_080 - 117_900
    assert sandbox.control("GET", "/truth")["totals"]["balance"] == 0


def test_refund_that_fails_after_its_settlement_comes_back(sdk: razorpay.Client, sandbox: Sandbox, paid: str) -> None:
    sandbox.control("POST", "/knobs/razorpay", {"refund_outcome": "manual"})
    refund = sdk.payment.refund(paid, {"amount": 10_000})
    run_settlement(sandbox)

    sandbox.control("POST", f"/refunds/{refund['id']}/conclude", {"outcome": "failed"})

    (row,) = settlement_report(sdk, run_settlement(sandbox)["settlement"], skip=2)
    assert (row["type"], row["credit"], row["debit"], row["payment_id"]) == ("adjustment", 10_000, 0, paid)


@pytest.mark.parametrize("kind", list(settlement_reports.ERRORS))
def test_each_error_is_what_it_says(sdk: razorpay.Client, sandbox: Sandbox, kind: str) -> None:
    payments = {one: sdk.payment.fetch(one) for one in (make_payment(sdk, sandbox, 10_000 * n) for n in (1, 2, 3))}

    answer = run_settlement(sandbox, errors={kind: 1})

    settlement, (planted,) = answer["settlement"], answer["planted"]
    rows = settlement_report(sdk, settlement)
    assert planted["kind"] == kind
    seen = Counter(row["entity_id"] for row in rows)
    found = {
        "missing_row": set(payments) - set(seen),
        "duplicated_row": {one for one, times in seen.items() if times == 2},
        "unknown_payment": set(seen) - set(payments),
        "amount_mismatch": {
            row["entity_id"] for row in rows if row["amount"] != payments.get(row["entity_id"], row)["amount"]
        },
        "fee_mismatch": {row["entity_id"] for row in rows if row["fee"] != payments.get(row["entity_id"], row)["fee"]},
        "credit_mismatch": {row["entity_id"] for row in rows if row["credit"] != row["amount"] - row["fee"]},
        "sum_mismatch": set(),
    }
    once = {row["entity_id"]: row for row in rows}
    off = settlement["amount"] != sum(row["credit"] - row["debit"] for row in once.values())
    assert off == (kind in {"sum_mismatch", "missing_row"})
    assert {name for name, ids in found.items() if ids} == {kind} - {"sum_mismatch"}
    assert found[kind] == ({planted["entity_id"]} if kind != "sum_mismatch" else set())
    if kind == "unknown_payment":
        with pytest.raises(BadRequestError, match="does not exist"):
            sdk.payment.fetch(planted["entity_id"])
    assert sandbox.control("GET", "/truth")["settlements"][0]["planted"] == [planted]


def test_errors_can_be_aimed_and_be_the_habit_of_the_clock(sdk: razorpay.Client, sandbox: Sandbox) -> None:
    first, second = (make_payment(sdk, sandbox, amount) for amount in (10_000, 20_000))
    answer = run_settlement(sandbox, targets={second: "amount_mismatch"})
    assert [row["amount"] for row in settlement_report(sdk, answer["settlement"])] == [10_000, 20_100]
    sandbox.control("POST", "/knobs/razorpay", {"settlement_errors": {"missing_row": 1}})
    third = make_payment(sdk, sandbox, 30_000)

    sandbox.control("POST", "/clock", {"advance_seconds": 7 * DAY})

    planted = sandbox.control("GET", "/truth")["settlements"][1]["planted"]
    assert [(note["kind"], note["entity_id"]) for note in planted] == [("missing_row", third)]
    assert first not in str(planted)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"month": 11}, "year field is required"),
        ({"year": 26, "month": 11}, "The year must be 4 digits."),
        ({"year": 2026, "month": 13}, "The month is not a valid month."),
        ({"year": 2026, "month": 11, "day": 32}, "day must be between 1 and 2 digits"),
        ({"year": 2026, "month": 11, "count": 1_001}, "count"),
        ({"year": 2026, "month": 11, "colour": 1}, "should not be sent"),
    ],
)
def test_malformed_report_request_is_refused(sdk: razorpay.Client, query: dict[str, Any], message: str) -> None:
    with pytest.raises(BadRequestError, match=message):
        sdk.settlement.report(query)


def test_report_comes_in_pages_and_by_month_or_day(sdk: razorpay.Client, sandbox: Sandbox) -> None:
    ids = [make_payment(sdk, sandbox, 10_000 + n) for n in range(12)]
    settlement = run_settlement(sandbox)["settlement"]
    on = datetime.fromtimestamp(settlement["created_at"], tz=IST)
    month = {"year": on.year, "month": f"{on.month:02d}"}

    assert [row["entity_id"] for row in sdk.settlement.report(month)["items"]] == ids[:10]
    assert [row["entity_id"] for row in sdk.settlement.report({**month, "skip": 10, "count": 1_000})["items"]] == ids[
        10:
    ]
    assert sdk.settlement.report({**month, "day": on.day % 28 + 1})["count"] == 0


def test_csv_is_the_same_report(sdk: razorpay.Client, sandbox: Sandbox, http: requests.Session, paid: str) -> None:
    settlement = run_settlement(sandbox)["settlement"]
    (row,) = settlement_report(sdk, settlement)
    url = f"{sandbox.control_url}/settlements/report.csv"

    answer = http.get(url, params={"settlement_id": settlement["id"]}, timeout=10)

    assert answer.headers["Content-Type"].startswith("text/csv")
    (line,) = csv.DictReader(io.StringIO(answer.text))
    assert tuple(line) == settlement_reports.COLUMNS
    written = {None: "", True: "true", False: "false"}
    assert line == {
        name: written[value] if value is None or isinstance(value, bool) else str(value) for name, value in row.items()
    }
    assert http.get(url, timeout=10).status_code == 400
    assert http.get(url, params={"settlement_id": "setl_x"}, timeout=10).status_code == 404


def synthesise(http: requests.Session, sandbox: Sandbox, **body: Any) -> list[dict[str, str]]:
    answer = http.post(f"{sandbox.control_url}/settlements/synthesise", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_made_up_report_is_the_same_each_time_and_served_by_the_api(
    sdk: razorpay.Client, sandbox: Sandbox, http: requests.Session
) -> None:
    recipe = {"lines": 2_000, "per_settlement": 700, "seed": 3, "adjustment_every": 300}
    rows = synthesise(http, sandbox, **recipe)

    assert rows == synthesise(http, sandbox, **recipe)
    assert rows == synthesise(http, sandbox, **recipe, what="truth")
    assert rows[0] != synthesise(http, sandbox, **{**recipe, "seed": 4}, register=False)[0]
    assert Counter(row["type"] for row in rows) == {"payment": 1_900, "refund": 94, "adjustment": 6}
    listed = synthesise(http, sandbox, **recipe, what="settlements")
    assert [int(row["lines"]) for row in listed] == [700, 700, 600]
    for row in listed:
        lines = [line for line in rows if line["settlement_id"] == row["id"]]
        assert int(row["amount"]) == sum(int(line["credit"]) - int(line["debit"]) for line in lines)
        assert sdk.settlement.fetch(row["id"])["amount"] == int(row["amount"])
    wire = [*settlement_report(sdk, {"created_at": int(rows[0]["settled_at"])}, skip=650)]
    assert [line["entity_id"] for line in wire] == [row["entity_id"] for row in rows[650:1_650]]
    paid = {row["entity_id"]: row for row in rows if row["type"] == "payment"}
    for row in rows:
        if row["type"] == "refund":
            assert int(row["amount"]) <= int(paid[row["payment_id"]]["amount"])
            assert row["settlement_id"] == paid[row["payment_id"]]["settlement_id"]


def test_made_up_report_has_exactly_the_planted_errors(sandbox: Sandbox, http: requests.Session) -> None:
    errors = dict.fromkeys(settlement_reports.ERRORS, 5)
    recipe = {"lines": 5_000, "per_settlement": 500, "errors": errors}
    truth = {row["entity_id"]: row for row in synthesise(http, sandbox, **recipe, what="truth")}
    rows = synthesise(http, sandbox, **recipe)
    planted = synthesise(http, sandbox, **recipe, what="planted")

    assert Counter(row["kind"] for row in planted) == errors
    assert len({row["entity_id"] for row in planted}) == 35
    assert len(truth) == 5_000
    assert len(rows) == 5_005  # five lines less, five twice, five unknown
    changed = {row["entity_id"] for row in rows if row["entity_id"] in truth and row != truth[row["entity_id"]]}
    spoilt = {"amount_mismatch", "fee_mismatch", "credit_mismatch"}
    assert changed == {row["entity_id"] for row in planted if row["kind"] in spoilt}


def test_hundred_thousand_lines_are_streamed(sandbox: Sandbox, http: requests.Session) -> None:
    answer = http.post(
        f"{sandbox.control_url}/settlements/synthesise", json={"lines": 100_000}, timeout=100, stream=True
    )

    assert sum(chunk.count(b"\n") for chunk in answer.iter_content(1 << 16)) == 100_001


@pytest.mark.parametrize(
    "body",
    [
        {"lines": 0},
        {"refund_every": 1},
        {"errors": {"typo": 1}},
        {"errors": {"amount_mismatch": -1}},
        {"lines": 10, "errors": {"amount_mismatch": 11}},
        {"what": "nothing"},
    ],
)
def test_senseless_recipe_is_refused(sandbox: Sandbox, body: dict[str, Any]) -> None:
    with pytest.raises(ControlRefused, match="400"):
        sandbox.control("POST", "/settlements/synthesise", body)

    assert sandbox.control("GET", "/truth")["settlements"] == []


def test_settlement_without_a_recipe_cannot_be_made_again() -> None:
    recipe = synthetic_reports.Recipe(lines=10, at=1)
    (settlement,) = synthetic_reports.make_settlements(recipe)

    with pytest.raises(ValueError, match="not synthetic"):
        synthetic_reports.remake_lines(settlement)
    rows = settlement.rows
    kept = json.loads(json.dumps(synthetic_reports.forget_lines(recipe, 0, settlement).recipe))
    assert kept["index"] == 0
    assert synthetic_reports.remake_lines(settlement).rows == rows
