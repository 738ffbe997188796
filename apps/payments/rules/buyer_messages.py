"""What a buyer reads about a payment that failed."""

from collections.abc import Mapping

_BUYER_TEXTS = {
    "insufficient_funds": "The account does not have enough money. Try another account or another payment method.",
    "insufficient_fund": "The account does not have enough money. Try another account or another payment method.",
    "incorrect_pin": "The UPI PIN was incorrect. Try again.",
    "payment_cancelled": "The payment was cancelled. You can try again. If money has left your account, it will be refunded.",
    "payment_declined": "The bank declined the payment. Try another payment method, or contact your bank.",
    "card_declined": "The bank declined the card. Try another card, or contact your bank.",
    "payment_timed_out": "The payment was not completed in time. If money has left your account, it will be confirmed or refunded.",
    "payment_collect_request_expired": "The request expired before it was approved. Try again.",
    "invalid_vpa": "This UPI ID does not exist. Check it and try again.",
    "authentication_failed": "The bank could not verify your identity. Try again.",
}


_BUYER_DEFAULT = "The payment did not go through. If money has left your account, it will be confirmed or refunded."


def buyer_message(error: Mapping[str, object]) -> str:
    """Return the buyer's message for an error: one of Bahi's sentences, never the gateway's."""
    if not error:
        return ""
    return _BUYER_TEXTS.get(str(error.get("reason", "")), _BUYER_DEFAULT)
