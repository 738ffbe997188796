"""
Why payments fail, as their `error_*` fields say it.

Every reason is one that Razorpay documents. Of the first five also code, description, source and step are as documented; of the
others these are chosen among the values that Razorpay documents for the method, and the descriptions are the sandbox's own.
"""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.json_types import JsonObject
from sandbox.razorpay.errors import BAD_REQUEST, GATEWAY


@dataclass(frozen=True)
class Failure:
    """Why a payment failed, as its `error_*` fields say it."""

    reason: str
    description: str
    code: str = BAD_REQUEST
    source: str = "customer"
    step: str = "payment_authentication"

    def error(self, *, order_id: str | None, payment_id: str) -> JsonObject:
        """Return the error as Checkout hands it to the page."""
        return {
            "code": self.code,
            "description": self.description,
            "source": self.source,
            "step": self.step,
            "reason": self.reason,
            "metadata": {"payment_id": payment_id, "order_id": order_id},
        }


def _customer(reason: str, description: str, step: str = "payment_authentication") -> Failure:
    return Failure(reason, description, step=step)


def _business(reason: str, description: str) -> Failure:
    return Failure(reason, description, source="business", step="payment_initiation")


def _bank(reason: str, description: str, step: str = "payment_debit_request") -> Failure:
    return Failure(reason, description, GATEWAY, "issuer_bank", step)


def _psp(reason: str, description: str) -> Failure:
    return Failure(reason, description, GATEWAY, "customer_psp", "payment_request")


def _gateway(reason: str, description: str, step: str = "payment_response") -> Failure:
    return Failure(reason, description, GATEWAY, "gateway", step)


def _credit(reason: str, description: str) -> Failure:
    return Failure(reason, description, GATEWAY, "beneficiary_bank", "payment_credit_request")


_FAILURES = (
    # Rows 1 to 5 of https://razorpay.com/docs/payments/payment-gateway/s2s-integration/payment-methods/upi/error-codes
    Failure(
        "insufficient_funds",
        "Transaction failed due to insufficient funds.",
        GATEWAY,
        "customer",
        "payment_debit_request",
    ),
    _bank("payment_declined", "Payment failed. Please try again with another bank account."),
    _customer("incorrect_pin", "You have entered an incorrect PIN on the UPI app. Please retry with the correct PIN."),
    _customer(
        "payment_cancelled",
        "You may have cancelled the payment or there was a delay in response from the UPI app.",
    ),
    _gateway("gateway_technical_error", "Payment processing failed due to error at bank or wallet gateway"),
    # UPI
    _customer("payment_timed_out", "Payment was not completed on time."),
    _customer("payment_collect_request_expired", "The collect request expired before it was approved."),
    _customer("invalid_vpa", "The UPI ID is not valid.", "payment_initiation"),
    _psp("vpa_resolution_failed", "The UPI ID could not be resolved."),
    _bank("bank_technical_error", "Payment failed due to a technical error at the bank.", "payment_debit_response"),
    _credit("credit_failed", "The money could not be credited."),
    _psp("authorisation_declined_by_psp", "The UPI app rejected the authorisation."),
    _credit("beneficiary_account_does_not_exist", "The beneficiary account does not exist."),
    _credit("beneficiary_account_dormant", "The beneficiary account is dormant."),
    _business("collect_on_mcc_blocked", "UPI Collect is blocked for this merchant category code."),
    Failure("collect_request_pending", "A collect request is already pending.", GATEWAY, "customer", "payment_request"),
    Failure("deemed_transaction", "The transaction is deemed.", GATEWAY, "network", "payment_credit_response"),
    _gateway("duplicate_rrn_found", "A duplicate RRN was found."),
    _bank("funds_blocked_by_mandate", "Funds are blocked by an existing mandate."),
    _customer("incorrect_atm_pin", "Incorrect ATM PIN entered."),
    _customer("invalid_device", "The device is not valid for this transaction."),
    Failure("mcc_amount_limit_exceeded", "The amount is above the limit.", GATEWAY, "network", "payment_request"),
    _customer("mismatch_in_transaction_details", "There is a mismatch in transaction details."),
    _bank("payment_pending", "The payment has not been completed yet.", "payment_status_request"),
    _customer("pin_attempts_exceeded", "PIN attempts have been exceeded."),
    _customer("pin_not_set", "PIN is not set."),
    _psp("psp_app_not_available", "The PSP app is not available."),
    _psp("psp_app_not_supported", "The UPI app is not supported."),
    _psp("psp_not_available", "The PSP is not available."),
    _psp("psp_not_registered", "The PSP is not registered."),
    _bank("transaction_daily_count_exceeded", "The daily transaction count has been exceeded."),
    _bank("transaction_frequency_limit_exceeded", "The frequency limit has been exceeded."),
    _psp("transaction_on_vpa_restricted", "Transactions on this VPA are restricted."),
    _psp("upi_app_technical_error", "A technical error occurred at the UPI app."),
    _business("upi_collect_not_enabled", "UPI Collect is not enabled."),
    _business("upi_intent_not_enabled", "UPI Intent is not enabled."),
    # Cards
    _customer("authentication_failed", "Authentication failed."),
    _bank("card_declined", "The card was declined.", "payment_authorization"),
    _customer("card_disabled_for_online_payments", "The card is not enabled for online payments."),
    _customer("card_expired", "The card has expired."),
    _business("card_network_not_enabled", "The card network is not enabled."),
    _customer("card_not_enrolled", "The card is not enrolled."),
    _customer("card_number_invalid", "The card number is invalid.", "payment_initiation"),
    _customer("card_type_invalid", "The card type is invalid.", "payment_initiation"),
    _bank("credit_limit_exceeded", "The credit limit has been exceeded."),
    _bank("credit_limit_expired", "The credit limit has expired."),
    _bank("credit_limit_inactive", "The credit limit is inactive."),
    _bank("credit_limit_not_approved", "The credit limit is not approved."),
    _bank("credit_not_permitted", "Credit is not permitted."),
    _bank("debit_declined", "The debit was declined."),
    _bank("debit_instrument_blocked", "The card or account is blocked.", "payment_authorization"),
    _bank("debit_instrument_inactive", "The card or account is inactive.", "payment_authorization"),
    _customer("emi_greater_than_max_amount", "The EMI amount is above the maximum.", "payment_initiation"),
    _business("emi_plan_unavailable", "The EMI plan is not available."),
    _customer("incorrect_card_details", "Incorrect card details entered."),
    _customer("incorrect_card_expiry_date", "Incorrect card expiry date entered."),
    _customer("incorrect_cardholder_name", "Incorrect cardholder name entered."),
    _customer("incorrect_cvv", "Incorrect CVV entered."),
    _customer("incorrect_otp", "Incorrect OTP entered."),
    _customer("insufficient_fund", "The card does not have enough funds.", "payment_authorization"),
    _business("international_transaction_not_allowed", "International transactions are not allowed."),
    _customer("invalid_otp", "Authentication failed due to incorrect otp"),
    _bank("issuer_technical_error", "A technical error occurred at the issuer.", "payment_authorization"),
    _customer("otp_attempts_exceeded", "OTP attempts have been exceeded."),
    _customer("otp_expired", "The OTP has expired."),
    _bank("transaction_daily_limit_exceeded", "The daily limit has been exceeded."),
    _bank("transaction_limit_exceeded", "The limit has been exceeded."),
    # Net banking, wallets and all methods
    _customer("bank_account_invalid", "The bank account is not valid.", "payment_initiation"),
    _customer("bank_account_validation_failed", "The bank account could not be verified.", "payment_initiation"),
    _bank("bank_cutoff_in_progress", "The bank's cut-off is in progress."),
    _bank("bank_not_available", "The bank is not available."),
    _business("bank_not_enabled", "The bank is not enabled."),
    _customer("invalid_email", "The email address is invalid.", "payment_initiation"),
    _customer("invalid_mobile_number", "The mobile number is invalid.", "payment_initiation"),
    _gateway("invalid_response_from_gateway", "The gateway sent an invalid response."),
    _customer("invalid_user_details", "The user details are invalid.", "payment_initiation"),
    _customer("mobile_number_invalid", "The mobile number is invalid.", "payment_initiation"),
    _gateway("payment_declined_due_to_high_traffic", "Payment declined due to high traffic.", "payment_request"),
    _gateway("payment_failed", "Payment processing failed due to error at bank or wallet gateway"),
    _customer("payment_pending_approval", "The payment is pending approval."),
    _gateway("payment_risk_check_failed", "Payment declined due to risk checks.", "payment_initiation"),
    _customer("payment_session_expired", "The payment session has expired."),
    _gateway("request_timed_out", "The request has timed out."),
    Failure("server_error", "A technical error occurred.", "SERVER_ERROR", "internal", "payment_initiation"),
    _bank("transaction_timed_out", "The transaction has timed out."),
    _customer("user_not_eligible", "The customer is not eligible.", "payment_eligibility_check"),
    _customer("user_not_registered_for_netbanking", "The account is not registered for net banking."),
    _gateway("verification_failed", "The verification of the payment has failed."),
    # The merchant's account or request
    _business("amount_less_than_minimum_amount", "The amount is less than the minimum."),
    Failure("capture_failed", "The capture has failed.", BAD_REQUEST, "internal", "payment_capture"),
    _business("compliance_violation", "The payment violates compliance requirements."),
    _business("duplicate_request", "A duplicate request has been submitted."),
    _business("input_validation_failed", "The input is not valid."),
    _business("invalid_amount", "The amount is invalid."),
    _business("invalid_currency", "The currency is invalid."),
    _business("invalid_order_id", "The order id is invalid."),
    _business("invalid_request", "The request is invalid."),
    _business("live_mode_not_enabled", "Live mode is not enabled."),
    _business("merchant_not_activated", "The merchant is not activated."),
    _business("order_already_paid", "The order is already paid."),
    _business("order_amount_mismatch", "The amount differs from the order's."),
    _business("order_payment_method_mismatch", "The method differs from the order's."),
    _customer("payment_amount_tampered", "The payment amount has been tampered."),
    _business("payment_method_not_enabled", "The payment method is not enabled."),
    _business("record_not_found", "The record was not found."),
)

#: By reason. A reason that occurs at several parties and steps is played at one of them.
FAILURES = {failure.reason: failure for failure in _FAILURES}
