"""`python -m devtools razorpay-test`: it refuses keys that are not of test mode, and reports what differs."""

import os
import subprocess
import sys
from typing import Any

import pytest

from devtools.razorpay_test import KeysRefused, read_keys
from sandbox.settings import DEV_KEY_ID, DEV_KEY_SECRET
from tests.support.sandbox import sent_webhooks


def run(**variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAZORPAY_")}
    return subprocess.run(
        [sys.executable, "-m", "devtools", "razorpay-test"],
        env={**kept, **variables},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def run_against(sandbox: Any, **variables: str) -> subprocess.CompletedProcess[str]:
    return run(
        **{
            "RAZORPAY_BASE_URL": sandbox.razorpay_url,
            "RAZORPAY_KEY_ID": DEV_KEY_ID,
            "RAZORPAY_KEY_SECRET": DEV_KEY_SECRET,
            **variables,
        }
    )


class TestReadKeys:
    def test_test_keys_are_taken_with_the_real_address(self) -> None:
        keys = {"RAZORPAY_KEY_ID": "rzp_test_1", "RAZORPAY_KEY_SECRET": "s"}

        assert read_keys(keys) == ("https://api.razorpay.com", "rzp_test_1", "s")
        assert read_keys({**keys, "RAZORPAY_BASE_URL": "http://127.0.0.1:1"})[0] == "http://127.0.0.1:1"

    @pytest.mark.parametrize("key_id", ["rzp_live_1", "RZP_TEST_1", " rzp_test_1", "1"])
    def test_key_of_another_mode_is_refused(self, key_id: str) -> None:
        with pytest.raises(KeysRefused, match="has called nothing"):
            read_keys({"RAZORPAY_KEY_ID": key_id, "RAZORPAY_KEY_SECRET": "s"})

    @pytest.mark.parametrize("keys", [{}, {"RAZORPAY_KEY_ID": "rzp_test_1"}, {"RAZORPAY_KEY_SECRET": "s"}])
    def test_missing_keys_are_named(self, keys: dict[str, str]) -> None:
        with pytest.raises(KeysRefused, match="Set RAZORPAY_KEY_ID and RAZORPAY_KEY_SECRET"):
            read_keys(keys)


class TestRazorpayTest:
    def test_live_key_is_refused_and_nothing_is_called(self, sandbox: Any) -> None:
        done = run_against(sandbox, RAZORPAY_KEY_ID="rzp_live_1")

        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr.startswith("razorpay-test: RAZORPAY_KEY_ID does not begin with rzp_test_.")
        assert sandbox.control("GET", "/journal?service=razorpay")["items"] == []

    def test_account_that_answers_as_expected_is_reported_so(self, sandbox: Any) -> None:
        sandbox.control("POST", "/knobs/razorpay", {"payer": "approve"})

        done = run_against(sandbox)

        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.splitlines()[-1] == "13 ok, 0 differs, 0 skipped"
        assert (
            "ok       a UPI payment of 201 paise fails: GATEWAY_ERROR, customer, payment_debit_request" in done.stdout
        )
        truth = sandbox.control("GET", "/truth")
        assert [order["amount"] for order in truth["orders"]] == [100, 201, 500]
        assert [payment["status"] for payment in truth["payments"]] == ["failed", "refunded"]
        assert [link["status"] for link in truth["payment_links"]] == ["cancelled"]
        assert [code["status"] for code in truth["qr_codes"]] == ["closed"]
        assert {row["event"] for row in sent_webhooks(sandbox, "refund.processed")} == {"refund.processed"}

    def test_what_the_account_does_not_offer_is_skipped(self, sandbox: Any) -> None:
        sandbox.control("POST", "/knobs/razorpay", {"s2s_upi": False})

        done = run_against(sandbox)

        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.splitlines()[-1] == "11 ok, 0 differs, 2 skipped"

    def test_difference_is_reported_by_its_step(self, sandbox: Any) -> None:
        sandbox.control("POST", "/knobs/razorpay", {"s2s_upi": False, "settlement_days": 2})
        sandbox.control("POST", "/faults", {"path": "/v1/disputes", "method": "GET", "kind": "malformed", "times": 3})

        done = run_against(sandbox)

        assert done.returncode == 1
        assert "differs  disputes are listed" in done.stdout
        assert done.stdout.splitlines()[-1] == "10 ok, 1 differs, 2 skipped"

    def test_wrong_secret_ends_it_at_the_first_step(self, sandbox: Any) -> None:
        done = run_against(sandbox, RAZORPAY_KEY_SECRET="wrong")

        assert done.returncode == 1
        assert "differs  an order is made: The api key provided is invalid" in done.stdout
        assert done.stdout.splitlines()[-1] == "0 ok, 1 differs, 0 skipped"
