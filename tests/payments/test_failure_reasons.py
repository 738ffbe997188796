"""The table of the gateway's reasons of failed payments, and what follows from each for the buyer and the shop."""

from typing import Any

import pytest

from apps.payments import rules
from apps.payments.gateways.interface import load_adapter
from apps.payments.messages import buyer_failures
from apps.payments.rules.failure_reasons import FAILURE_REASONS, OFFERED_METHODS, UNKNOWN_REASON
from apps.payments.states import AnotherAttempt, AttemptStatus, FailedBy
from sandbox.razorpay.failures import FAILURES

#: The list of reasons of UPI payments at https://razorpay.com/docs/errors/payments/upi/
UPI_PAGE = {
    "bank_technical_error", "credit_failed", "gateway_technical_error", "insufficient_funds", "invalid_vpa",
    "payment_cancelled", "payment_collect_request_expired", "payment_declined", "payment_timed_out", "vpa_resolution_failed",
}  # fmt: skip
#: The same of cards at https://razorpay.com/docs/errors/payments/cards/
CARDS_PAGE = {
    "payment_timed_out", "gateway_technical_error", "payment_cancelled", "card_declined", "insufficient_funds",
    "card_not_enrolled", "bank_technical_error", "card_disabled_for_online_payments", "authentication_failed",
    "payment_risk_check_failed", "payment_failed", "incorrect_cvv", "debit_instrument_inactive",
    "debit_instrument_blocked", "card_expired", "transaction_limit_exceeded",
}  # fmt: skip


class TestTable:
    def test_has_every_reason_of_the_pages_about_upi_and_cards(self) -> None:
        assert (UPI_PAGE | CARDS_PAGE) - set(FAILURE_REASONS) == set()
        assert len(FAILURE_REASONS) == 105

    @pytest.mark.parametrize("reason", sorted(FAILURE_REASONS))
    def test_row_is_whole(self, reason: str) -> None:
        row = FAILURE_REASONS[reason]

        assert row.failed_by != FailedBy.UNKNOWN
        assert row.another_attempt != AnotherAttempt.UNKNOWN
        assert row.buyer_message.endswith(".")
        assert set(row.offer) <= set(OFFERED_METHODS)
        helps = row.another_attempt not in (AnotherAttempt.WAIT, AnotherAttempt.DOES_NOT_HELP)
        assert helps <= bool(row.offer), "where another attempt helps, a method is offered"

    def test_no_sentence_is_unused(self) -> None:
        sentences = {value for name, value in vars(buyer_failures).items() if name.isupper() and name[0] != "_"}

        assert sentences == {row.buyer_message for row in (*FAILURE_REASONS.values(), UNKNOWN_REASON)}


class TestExplainFailure:
    def test_incorrect_pin_is_the_buyers_and_can_be_repeated(self) -> None:
        assert rules.explain_failure({"reason": "incorrect_pin"}) == rules.FailureReason(
            FailedBy.BUYER, AnotherAttempt.HELPS, "The UPI PIN was incorrect. Try again.", ("upi",)
        )

    @pytest.mark.parametrize(
        ("source", "failed_by"),
        [
            ("customer", FailedBy.BUYER),
            ("issuer_bank", FailedBy.BANK),
            ("customer_psp", FailedBy.BANK),
            ("network", FailedBy.BANK),
            ("gateway", FailedBy.GATEWAY),
            ("beneficiary_bank", FailedBy.GATEWAY),
            ("internal", FailedBy.GATEWAY),
            ("business", FailedBy.MERCHANT),
            ("NA", FailedBy.BUYER),
            ("", FailedBy.BUYER),
        ],
    )
    def test_source_of_the_attempt_decides_who_failed(self, source: str, failed_by: FailedBy) -> None:
        assert rules.explain_failure({"reason": "payment_timed_out", "source": source}).failed_by == failed_by

    @pytest.mark.parametrize("reason", ["", "a_new_reason", "<b>", None, 7])
    def test_unknown_reason_claims_nothing(self, reason: Any) -> None:
        assert rules.explain_failure({"reason": reason}) == rules.FailureReason(
            FailedBy.UNKNOWN,
            AnotherAttempt.UNKNOWN,
            "The payment did not go through. If money has left your account, it will be confirmed or refunded.",
            ("upi", "card", "netbanking"),
        )


class TestSandbox:
    def test_produces_each_reason_and_no_other(self) -> None:
        assert set(FAILURES) == set(FAILURE_REASONS)

    def test_each_failed_payment_is_read_and_explained(self, sandbox: Any) -> None:
        gateway = load_adapter("razorpay")
        order = gateway.create_order(receipt="pay_1", amount=100, currency="INR", notes={})
        for reason in FAILURES:
            sandbox.control("POST", f"/orders/{order.id}/checkout", {"outcome": "failure", "reason": reason})

        failed = gateway.list_payments(gateway_order_id=order.id)

        assert [facts.error.reason for facts in failed] == list(FAILURES)
        assert {facts.status for facts in failed} == {AttemptStatus.FAILED}
        for facts in failed:
            explained = rules.explain_failure(facts.error.as_dict())
            assert explained._replace(failed_by=FailedBy.UNKNOWN) == FAILURE_REASONS[facts.error.reason]._replace(
                failed_by=FailedBy.UNKNOWN
            )
            assert explained.failed_by != FailedBy.UNKNOWN
