"""
Why attempts to pay fail: one table of the gateway's reasons, and what follows from each.

The reasons and who caused them are Razorpay's, of one-time payments by UPI, card, net banking and wallet. Reasons of mandates
and of refunds are left out, because Bahi makes no mandate and a buyer reads nothing of a failed refund. Sources and counts
are in docs/decisions/0047-downtimes-and-failure-reasons.md.
"""

from collections.abc import Mapping
from typing import NamedTuple

from apps.payments.messages import buyer_failures as texts
from apps.payments.states import AnotherAttempt, FailedBy

#: The methods that a buyer is offered instead of another, in this order.
OFFERED_METHODS = ("upi", "card", "netbanking")

_BUYER, _BANK, _GATEWAY, _SHOP = FailedBy.BUYER, FailedBy.BANK, FailedBy.GATEWAY, FailedBy.MERCHANT
_AGAIN, _LATER, _OTHER = AnotherAttempt.HELPS, AnotherAttempt.HELPS_LATER, AnotherAttempt.OTHER_METHOD
_WAIT, _NO = AnotherAttempt.WAIT, AnotherAttempt.DOES_NOT_HELP

_UPI, _CARD, _NETBANKING = ("upi",), ("card",), ("netbanking",)
_NOT_UPI, _NOT_CARD, _ANY = ("card", "netbanking"), ("upi", "netbanking"), OFFERED_METHODS


class FailureReason(NamedTuple):
    """
    One reason of a failed attempt.

    `failed_by` is who could have prevented it, `another_attempt` whether the buyer should try again, `buyer_message` what the
    buyer reads, and `offer` the methods to offer next, best first; none if no method would help.
    """

    failed_by: FailedBy
    another_attempt: AnotherAttempt
    buyer_message: str
    offer: tuple[str, ...]


#: What holds for a reason that is not in the table: the cause is not known, and every method may be offered.
UNKNOWN_REASON = FailureReason(FailedBy.UNKNOWN, AnotherAttempt.UNKNOWN, texts.NOT_COMPLETED, _ANY)

# fmt: off
FAILURE_REASONS: Mapping[str, FailureReason] = {
    # UPI: https://razorpay.com/docs/errors/payments/upi/
    "bank_technical_error": FailureReason(_BANK, _OTHER, texts.BANK_UNAVAILABLE, _ANY),
    "credit_failed": FailureReason(_GATEWAY, _OTHER, texts.CREDIT_FAILED, _NOT_UPI),
    "gateway_technical_error": FailureReason(_GATEWAY, _LATER, texts.GATEWAY_UNAVAILABLE, _ANY),
    "incorrect_pin": FailureReason(_BUYER, _AGAIN, texts.WRONG_UPI_PIN, _UPI),
    "insufficient_funds": FailureReason(_BUYER, _OTHER, texts.NOT_ENOUGH_MONEY, _ANY),
    "invalid_vpa": FailureReason(_BUYER, _AGAIN, texts.WRONG_UPI_ID, _UPI),
    "payment_cancelled": FailureReason(_BUYER, _AGAIN, texts.CANCELLED, _ANY),
    "payment_collect_request_expired": FailureReason(_BUYER, _AGAIN, texts.REQUEST_EXPIRED, _UPI),
    "payment_declined": FailureReason(_BANK, _OTHER, texts.DECLINED, _NOT_UPI),
    "payment_timed_out": FailureReason(_BUYER, _AGAIN, texts.NOT_IN_TIME, _ANY),
    "vpa_resolution_failed": FailureReason(_BANK, _OTHER, texts.UPI_ID_NOT_FOUND, _NOT_UPI),
    "authorisation_declined_by_psp": FailureReason(_BANK, _OTHER, texts.APP_UNAVAILABLE, _ANY),
    "beneficiary_account_does_not_exist": FailureReason(_SHOP, _OTHER, texts.CREDIT_FAILED, _NOT_UPI),
    "beneficiary_account_dormant": FailureReason(_SHOP, _OTHER, texts.CREDIT_FAILED, _NOT_UPI),
    "collect_on_mcc_blocked": FailureReason(_SHOP, _OTHER, texts.METHOD_NOT_OFFERED, _ANY),
    "collect_request_pending": FailureReason(_BUYER, _WAIT, texts.REQUEST_WAITS, _UPI),
    "deemed_transaction": FailureReason(_BANK, _WAIT, texts.STILL_PENDING, ()),
    "duplicate_rrn_found": FailureReason(_GATEWAY, _AGAIN, texts.GATEWAY_UNAVAILABLE, _ANY),
    "funds_blocked_by_mandate": FailureReason(_BUYER, _OTHER, texts.FUNDS_HELD, _ANY),
    "incorrect_atm_pin": FailureReason(_BUYER, _AGAIN, texts.NOT_VERIFIED, _CARD),
    "invalid_device": FailureReason(_BUYER, _OTHER, texts.DEVICE_NOT_ALLOWED, _NOT_UPI),
    "mcc_amount_limit_exceeded": FailureReason(_SHOP, _OTHER, texts.LIMIT_EXCEEDED, _NOT_UPI),
    "mismatch_in_transaction_details": FailureReason(_GATEWAY, _AGAIN, texts.NOT_COMPLETED, _ANY),
    "payment_pending": FailureReason(_BANK, _WAIT, texts.STILL_PENDING, ()),
    "pin_attempts_exceeded": FailureReason(_BUYER, _OTHER, texts.TOO_MANY_PINS, _NOT_UPI),
    "pin_not_set": FailureReason(_BUYER, _OTHER, texts.NO_UPI_PIN, _NOT_UPI),
    "psp_app_not_available": FailureReason(_BANK, _OTHER, texts.APP_UNAVAILABLE, _ANY),
    "psp_app_not_supported": FailureReason(_BANK, _OTHER, texts.APP_NOT_SUPPORTED, _ANY),
    "psp_not_available": FailureReason(_BANK, _OTHER, texts.APP_UNAVAILABLE, _ANY),
    "psp_not_registered": FailureReason(_BANK, _OTHER, texts.APP_NOT_SUPPORTED, _ANY),
    "transaction_daily_count_exceeded": FailureReason(_BUYER, _OTHER, texts.DAILY_LIMIT_EXCEEDED, _NOT_UPI),
    "transaction_frequency_limit_exceeded": FailureReason(_BUYER, _OTHER, texts.DAILY_LIMIT_EXCEEDED, _NOT_UPI),
    "transaction_on_vpa_restricted": FailureReason(_BANK, _OTHER, texts.UPI_ID_RESTRICTED, _ANY),
    "upi_app_technical_error": FailureReason(_BANK, _OTHER, texts.APP_UNAVAILABLE, _ANY),
    "upi_collect_not_enabled": FailureReason(_SHOP, _OTHER, texts.METHOD_NOT_OFFERED, _ANY),
    "upi_intent_not_enabled": FailureReason(_SHOP, _OTHER, texts.METHOD_NOT_OFFERED, _NOT_UPI),
    # Cards: https://razorpay.com/docs/errors/payments/cards/
    "authentication_failed": FailureReason(_BUYER, _AGAIN, texts.NOT_VERIFIED, _ANY),
    "card_declined": FailureReason(_BANK, _OTHER, texts.CARD_DECLINED, _ANY),
    "card_disabled_for_online_payments": FailureReason(_BUYER, _OTHER, texts.CARD_NOT_ALLOWED_ONLINE, _ANY),
    "card_expired": FailureReason(_BUYER, _OTHER, texts.CARD_EXPIRED, _ANY),
    "card_network_not_enabled": FailureReason(_SHOP, _OTHER, texts.METHOD_NOT_OFFERED, _ANY),
    "card_not_enrolled": FailureReason(_BUYER, _OTHER, texts.CARD_NOT_ALLOWED_ONLINE, _ANY),
    "card_number_invalid": FailureReason(_BUYER, _AGAIN, texts.WRONG_CARD_DETAILS, _CARD),
    "card_type_invalid": FailureReason(_BUYER, _OTHER, texts.METHOD_NOT_OFFERED, _ANY),
    "credit_limit_exceeded": FailureReason(_BUYER, _OTHER, texts.LIMIT_EXCEEDED, _ANY),
    "credit_limit_expired": FailureReason(_BUYER, _OTHER, texts.CREDIT_NOT_AVAILABLE, _ANY),
    "credit_limit_inactive": FailureReason(_BUYER, _OTHER, texts.CREDIT_NOT_AVAILABLE, _ANY),
    "credit_limit_not_approved": FailureReason(_BUYER, _OTHER, texts.CREDIT_NOT_AVAILABLE, _ANY),
    "credit_not_permitted": FailureReason(_BANK, _OTHER, texts.CREDIT_NOT_AVAILABLE, _ANY),
    "debit_declined": FailureReason(_BANK, _OTHER, texts.DECLINED, _ANY),
    "debit_instrument_blocked": FailureReason(_BUYER, _OTHER, texts.INSTRUMENT_BLOCKED, _ANY),
    "debit_instrument_inactive": FailureReason(_BUYER, _OTHER, texts.INSTRUMENT_BLOCKED, _ANY),
    "emi_greater_than_max_amount": FailureReason(_BUYER, _OTHER, texts.LIMIT_EXCEEDED, _ANY),
    "emi_plan_unavailable": FailureReason(_SHOP, _OTHER, texts.METHOD_NOT_OFFERED, _ANY),
    "incorrect_card_details": FailureReason(_BUYER, _AGAIN, texts.WRONG_CARD_DETAILS, _CARD),
    "incorrect_card_expiry_date": FailureReason(_BUYER, _AGAIN, texts.WRONG_CARD_DETAILS, _CARD),
    "incorrect_cardholder_name": FailureReason(_BUYER, _AGAIN, texts.WRONG_CARD_DETAILS, _CARD),
    "incorrect_cvv": FailureReason(_BUYER, _AGAIN, texts.WRONG_CARD_DETAILS, _CARD),
    "incorrect_otp": FailureReason(_BUYER, _AGAIN, texts.WRONG_OTP, _ANY),
    "insufficient_fund": FailureReason(_BUYER, _OTHER, texts.NOT_ENOUGH_MONEY, _ANY),
    "international_transaction_not_allowed": FailureReason(_SHOP, _OTHER, texts.ONLY_DOMESTIC, _ANY),
    "invalid_otp": FailureReason(_BUYER, _AGAIN, texts.WRONG_OTP, _ANY),
    "issuer_technical_error": FailureReason(_BANK, _OTHER, texts.BANK_UNAVAILABLE, _ANY),
    "otp_attempts_exceeded": FailureReason(_BUYER, _OTHER, texts.TOO_MANY_OTPS, _ANY),
    "otp_expired": FailureReason(_BUYER, _AGAIN, texts.EXPIRED_OTP, _ANY),
    "transaction_daily_limit_exceeded": FailureReason(_BUYER, _OTHER, texts.DAILY_LIMIT_EXCEEDED, _ANY),
    "transaction_limit_exceeded": FailureReason(_BUYER, _OTHER, texts.LIMIT_EXCEEDED, _ANY),
    # Net banking, wallets and all methods: https://razorpay.com/docs/errors/payments/list/
    "bank_account_invalid": FailureReason(_BUYER, _OTHER, texts.ACCOUNT_INVALID, _ANY),
    "bank_account_validation_failed": FailureReason(_BUYER, _OTHER, texts.ACCOUNT_INVALID, _ANY),
    "bank_cutoff_in_progress": FailureReason(_BANK, _LATER, texts.BANK_CLOSED, _ANY),
    "bank_not_available": FailureReason(_BANK, _LATER, texts.BANK_UNAVAILABLE, _ANY),
    "bank_not_enabled": FailureReason(_SHOP, _OTHER, texts.METHOD_NOT_OFFERED, _ANY),
    "invalid_email": FailureReason(_BUYER, _AGAIN, texts.WRONG_CONTACT, _ANY),
    "invalid_mobile_number": FailureReason(_BUYER, _AGAIN, texts.WRONG_CONTACT, _ANY),
    "invalid_response_from_gateway": FailureReason(_GATEWAY, _LATER, texts.GATEWAY_UNAVAILABLE, _ANY),
    "invalid_user_details": FailureReason(_BUYER, _AGAIN, texts.WRONG_CONTACT, _ANY),
    "mobile_number_invalid": FailureReason(_BUYER, _AGAIN, texts.WRONG_CONTACT, _ANY),
    "payment_declined_due_to_high_traffic": FailureReason(_GATEWAY, _LATER, texts.HIGH_TRAFFIC, _ANY),
    "payment_failed": FailureReason(_BANK, _OTHER, texts.NOT_COMPLETED, _ANY),
    "payment_pending_approval": FailureReason(_BUYER, _WAIT, texts.AWAITS_APPROVAL, ()),
    "payment_risk_check_failed": FailureReason(_BANK, _OTHER, texts.CHECK_FAILED, _ANY),
    "payment_session_expired": FailureReason(_BUYER, _AGAIN, texts.NOT_IN_TIME, _ANY),
    "request_timed_out": FailureReason(_BANK, _LATER, texts.BANK_UNAVAILABLE, _ANY),
    "server_error": FailureReason(_GATEWAY, _LATER, texts.GATEWAY_UNAVAILABLE, _ANY),
    "transaction_timed_out": FailureReason(_BANK, _LATER, texts.BANK_UNAVAILABLE, _ANY),
    "user_not_eligible": FailureReason(_BUYER, _OTHER, texts.CREDIT_NOT_AVAILABLE, _ANY),
    "user_not_registered_for_netbanking": FailureReason(_BUYER, _OTHER, texts.NOT_REGISTERED, ("upi", "card")),
    "verification_failed": FailureReason(_GATEWAY, _WAIT, texts.STILL_PENDING, ()),
    # Our account or our request: at most another method helps the buyer.
    "amount_less_than_minimum_amount": FailureReason(_SHOP, _OTHER, texts.METHOD_NOT_OFFERED, _ANY),
    "capture_failed": FailureReason(_GATEWAY, _WAIT, texts.STILL_PENDING, ()),
    "compliance_violation": FailureReason(_SHOP, _NO, texts.SHOP_CANNOT_COLLECT, ()),
    "duplicate_request": FailureReason(_SHOP, _WAIT, texts.STILL_PENDING, ()),
    "input_validation_failed": FailureReason(_SHOP, _NO, texts.SHOP_CANNOT_COLLECT, ()),
    "invalid_amount": FailureReason(_SHOP, _NO, texts.SHOP_CANNOT_COLLECT, ()),
    "invalid_currency": FailureReason(_SHOP, _NO, texts.SHOP_CANNOT_COLLECT, ()),
    "invalid_order_id": FailureReason(_SHOP, _NO, texts.SHOP_CANNOT_COLLECT, ()),
    "invalid_request": FailureReason(_SHOP, _NO, texts.SHOP_CANNOT_COLLECT, ()),
    "live_mode_not_enabled": FailureReason(_SHOP, _NO, texts.SHOP_CANNOT_COLLECT, ()),
    "merchant_not_activated": FailureReason(_SHOP, _NO, texts.SHOP_CANNOT_COLLECT, ()),
    "order_already_paid": FailureReason(_SHOP, _NO, texts.ALREADY_PAID, ()),
    "order_amount_mismatch": FailureReason(_SHOP, _NO, texts.SHOP_CANNOT_COLLECT, ()),
    "order_payment_method_mismatch": FailureReason(_SHOP, _OTHER, texts.METHOD_NOT_OFFERED, _ANY),
    "payment_amount_tampered": FailureReason(_BUYER, _AGAIN, texts.NOT_COMPLETED, _ANY),
    "payment_method_not_enabled": FailureReason(_SHOP, _OTHER, texts.METHOD_NOT_OFFERED, _ANY),
    "record_not_found": FailureReason(_SHOP, _NO, texts.SHOP_CANNOT_COLLECT, ()),
}
# fmt: on

#: Who failed by the gateway's word about this one attempt, which is more exact than the reason alone.
_SOURCES = {
    "customer": FailedBy.BUYER,
    "business": FailedBy.MERCHANT,
    "internal": FailedBy.GATEWAY,
    "gateway": FailedBy.GATEWAY,
    "issuer": FailedBy.BANK,
    "issuer_bank": FailedBy.BANK,
    "bank": FailedBy.BANK,
    "beneficiary_bank": FailedBy.GATEWAY,
    "customer_psp": FailedBy.BANK,
    "network": FailedBy.BANK,
}


def explain_failure(error: Mapping[str, object]) -> FailureReason:
    """
    Return what follows from an error of the gateway.

    A source that the gateway names for this attempt decides who failed; everything else comes from the reason. A reason that
    is not in the table has the default, which claims nothing.
    """
    found = FAILURE_REASONS.get(str(error.get("reason") or ""), UNKNOWN_REASON)
    source = _SOURCES.get(str(error.get("source") or ""))
    return found if source is None else found._replace(failed_by=source)


def buyer_message(error: Mapping[str, object]) -> str:
    """Return the buyer's message for an error: one of Bahi's sentences, never the gateway's; empty without an error."""
    return explain_failure(error).buyer_message if error else ""
