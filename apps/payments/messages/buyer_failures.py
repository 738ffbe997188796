"""
What a buyer reads about an attempt to pay that failed: what happened, and what to do next.

None of these sentences denies that money has left the account, because nobody knows that at the moment of a failure. Which
sentence belongs to which of the gateway's reasons is in `rules/failure_reasons.py`.
"""

_MONEY = "If money has left your account, it will be confirmed or refunded."

# The default: all that is true of a failure whose reason is unknown.
NOT_COMPLETED = f"The payment did not go through. {_MONEY}"

# The buyer can correct it.
NOT_ENOUGH_MONEY = "The account does not have enough money. Try another account or another payment method."
WRONG_UPI_PIN = "The UPI PIN was incorrect. Try again."
NO_UPI_PIN = "No UPI PIN is set for this account. Set one in your UPI app and try again, or use another payment method."
TOO_MANY_PINS = "The PIN was entered incorrectly too many times. Use another payment method, or try again tomorrow."
WRONG_OTP = "The one-time password was incorrect. Try again with a new one."
EXPIRED_OTP = "The one-time password has expired. Try again with a new one."
TOO_MANY_OTPS = (
    "The one-time password was entered incorrectly too many times. Use another payment method, or try again later."
)
CANCELLED = f"The payment was cancelled. You can try again. {_MONEY}"
NOT_IN_TIME = f"The payment was not completed in time. {_MONEY}"
REQUEST_EXPIRED = "The request expired before it was approved. Try again."
REQUEST_WAITS = "An earlier payment request still waits for your approval. Approve or decline it in your UPI app first."
WRONG_UPI_ID = "This UPI ID does not exist. Check it and try again."
NOT_VERIFIED = "The bank could not verify your identity. Try again."
WRONG_CARD_DETAILS = "The card details are incorrect. Check the number, the expiry date and the CVV, and try again."
CARD_EXPIRED = "The card has expired. Use another card or another payment method."
CARD_NOT_ALLOWED_ONLINE = (
    "This card is not enabled for online payments. Enable it in your bank's app, or use another card or payment method."
)
INSTRUMENT_BLOCKED = "The card or account is blocked or not active. Use another one, or contact your bank."
LIMIT_EXCEEDED = "The payment is above a limit of your bank. Use another account or payment method."
DAILY_LIMIT_EXCEEDED = "A daily limit of your bank is used up. Use another payment method, or try again tomorrow."
CREDIT_NOT_AVAILABLE = "The credit line cannot be used for this payment. Use another payment method."
ACCOUNT_INVALID = "The bank account cannot be used for this payment. Use another account or another payment method."
NOT_REGISTERED = "The account is not registered for this payment method. Use another payment method."
WRONG_CONTACT = "The mobile number or e-mail address was not accepted. Check it and try again."
AWAITS_APPROVAL = "The payment waits for the approval of another person at your bank or company."
DEVICE_NOT_ALLOWED = "The bank does not accept payments from this device. Use another device or another payment method."
FUNDS_HELD = (
    "The money in this account is held for another payment that you agreed to. Use another account or payment method."
)
ONLY_DOMESTIC = (
    "Cards of foreign banks are not accepted for this payment. Use an Indian card, or another payment method."
)

# The bank, the UPI app or the network.
DECLINED = "The bank declined the payment. Try another payment method, or contact your bank."
CARD_DECLINED = "The bank declined the card. Try another card, or contact your bank."
CHECK_FAILED = "The payment was declined by a security check. Use another card, account or payment method."
BANK_UNAVAILABLE = (
    f"Your bank had a technical problem. Use another account or payment method, or try again later. {_MONEY}"
)
BANK_CLOSED = (
    "Your bank is closing its day and takes no payments for a while. Try again later, or use another payment method."
)
APP_UNAVAILABLE = f"Your UPI app had a technical problem. Use another UPI app or another payment method. {_MONEY}"
APP_NOT_SUPPORTED = "This UPI app cannot make the payment. Use another UPI app or another payment method."
UPI_ID_RESTRICTED = "Payments from this UPI ID are blocked. Use another UPI ID or another payment method."
UPI_ID_NOT_FOUND = "The UPI network could not find the account of this UPI ID. Use another account or payment method."

# The gateway and its banks.
GATEWAY_UNAVAILABLE = (
    f"The payment service had a technical problem. Try again in a few minutes, or use another payment method. {_MONEY}"
)
HIGH_TRAFFIC = "The payment service is very busy. Try again in a few minutes, or use another payment method."
CREDIT_FAILED = (
    "The money could not be credited to the shop. If it has left your account, it will be confirmed or refunded. Use another"
    " payment method."
)
STILL_PENDING = f"The bank has not decided about the payment yet. Please wait. {_MONEY}"

# The shop.
METHOD_NOT_OFFERED = "The shop does not offer this payment method. Use another one."
SHOP_CANNOT_COLLECT = "The shop cannot collect this payment at the moment. Contact the shop."
ALREADY_PAID = "This order is already paid. You do not need to pay again."
