"""Lines of a settlement beside payments and refunds: corrections about nothing, transfers, prepaid fee credits, the dashboard's file."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
import razorpay
import requests

from sandbox.razorpay import settlement_reports
from sandbox.server import ControlRefused, Sandbox
from tests.support.sandbox import make_payment, run_settlement, settlement_report


def lines(sdk: razorpay.Client, settled: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [row for row in settlement_report(sdk, settled["settlement"]) if row["type"] == kind]


class TestAddAdjustment:
    def test_one_about_nothing_is_taken_off_the_next_settlement(self, sdk: razorpay.Client, sandbox: Sandbox) -> None:
        make_payment(sdk, sandbox, 117_900)
        made = sandbox.control("POST", "/adjustments", {"amount": -5_000, "description": "Negative balance recovery"})

        settled = run_settlement(sandbox)

        (row,) = lines(sdk, settled, "adjustment")
        assert settled["settlement"]["amount"] == 115_118 - 5_000
        assert (row["entity_id"], row["debit"], row["credit"], row["amount"]) == (made["id"], 5_000, 0, 5_000)
        assert (row["payment_id"], row["dispute_id"], row["description"]) == (None, None, "Negative balance recovery")

    def test_it_may_name_what_nobody_knows_and_be_of_any_kind(self, sdk: razorpay.Client, sandbox: Sandbox) -> None:
        make_payment(sdk, sandbox, 117_900)
        names = {"payment_id": "pay_NobodyKnows001", "dispute_id": "disp_NobodyKnows01"}
        sandbox.control("POST", "/adjustments", {"amount": -700, **names})
        sandbox.control("POST", "/adjustments", {"amount": 300, "type": "gift", "credit_type": "fee"})

        settled = run_settlement(sandbox)

        assert [lines(sdk, settled, "adjustment")[0][name] for name in names] == list(names.values())
        (gift,) = lines(sdk, settled, "gift")
        assert (gift["credit"], gift["credit_type"]) == (300, "fee")

    @pytest.mark.parametrize("body", [{}, {"amount": 0}, {"amount": 1, "colour": "red"}])
    def test_malformed_is_refused(self, sandbox: Sandbox, body: dict[str, Any]) -> None:
        with pytest.raises(ControlRefused, match="400"):
            sandbox.control("POST", "/adjustments", body)

        assert sandbox.control("GET", "/truth")["adjustments"] == []


class TestAddTransfer:
    def test_it_takes_its_amount_and_its_fee(self, sdk: razorpay.Client, sandbox: Sandbox) -> None:
        paid = make_payment(sdk, sandbox, 117_900)
        sandbox.control("POST", "/transfers", {"payment_id": paid, "amount": 100_000, "fee": 296, "tax": 46})

        settled = run_settlement(sandbox)

        (row,) = lines(sdk, settled, "transfer")
        assert row["entity_id"].startswith("trf_")
        assert [row[name] for name in ("amount", "debit", "fee", "tax", "payment_id")] == [
            100_000,
            100_296,
            296,
            46,
            paid,
        ]
        assert settled["settlement"]["amount"] == 115_118 - 100_296

    def test_more_than_was_captured_is_refused(self, sdk: razorpay.Client, sandbox: Sandbox) -> None:
        paid = make_payment(sdk, sandbox, 10_000)

        with pytest.raises(ControlRefused, match="409"):
            sandbox.control("POST", "/transfers", {"payment_id": paid, "amount": 10_001})

        assert sandbox.control("GET", "/truth")["adjustments"] == []


def test_fee_credits_pay_fees_while_they_last(sdk: razorpay.Client, sandbox: Sandbox) -> None:
    first, second = make_payment(sdk, sandbox, 100_000), make_payment(sdk, sandbox, 200_000)
    sandbox.control("POST", "/knobs/razorpay", {"fee_credits": 3_000})

    settled = run_settlement(sandbox)

    told = {row["entity_id"]: (row["credit"], row["fee"], row["credit_type"]) for row in lines(sdk, settled, "payment")}
    assert told == {first: (100_000, 2_360, "fee"), second: (195_280, 4_720, "default")}
    assert settled["settlement"]["amount"] == 295_280
    assert sandbox.control("GET", "/knobs")["razorpay"]["fee_credits"] == 640


def test_the_dashboards_file_has_rupees_and_the_fee_without_its_tax(
    sdk: razorpay.Client, sandbox: Sandbox, http: requests.Session
) -> None:
    paid = make_payment(sdk, sandbox, 100_000)
    settled = run_settlement(sandbox)["settlement"]
    url = f"{sandbox.control_url}/settlements/report.csv"

    answer = http.get(url, params={"settlement_id": settled["id"], "layout": "settlement_recon"}, timeout=10)

    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert tuple(row) == tuple(settlement_reports.DASHBOARD_COLUMNS)
    assert len(row) == 27
    assert [row[name] for name in ("transaction_entity", "entity_id", "amount", "fee (exclusive tax)", "tax", "credit")] == [
        "payment", paid, "1000.00", "20.00", "3.60", "976.40",
    ]  # fmt: skip
    assert row["settled_at"][2] == "/"
    assert http.get(url, params={"settlement_id": settled["id"], "layout": "xml"}, timeout=10).status_code == 400
