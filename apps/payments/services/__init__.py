"""Everything that payments and the ledger do, by moment."""

from apps.payments.services.applying import NotOurPayment, apply_gateway_payment
from apps.payments.services.calling import create_gateway_order
from apps.payments.services.checking import (
    SignatureNotValid,
    ask_about_open_payments,
    request_check,
    sync_payment,
    verify_checkout,
)
from apps.payments.services.ledger import (
    CUSTOMER_ADVANCES,
    REFUNDS_PAYABLE,
    ROUND_OFF,
    SUSPENSE,
    PostingDiffers,
    PostingEmpty,
    PostingUnbalanced,
    RegistrationAccounts,
    account_codes_for,
    checkpoint_balances,
    gateway_receivable,
    open_registration_accounts,
    post_to_ledger,
    set_up_reference_data,
)
from apps.payments.services.replaying import Replay, replay_all_orders, replay_order
from apps.payments.services.starting import (
    NothingToPay,
    OrderNotPayable,
    PaymentNotCancellable,
    cancel_payment,
    start_payment,
)
from apps.payments.services.webhooks import (
    WebhookNotSigned,
    process_waiting_webhooks,
    process_webhook,
    receive_webhook,
)

__all__ = [
    "CUSTOMER_ADVANCES",
    "REFUNDS_PAYABLE",
    "ROUND_OFF",
    "SUSPENSE",
    "NotOurPayment",
    "NothingToPay",
    "OrderNotPayable",
    "PaymentNotCancellable",
    "PostingDiffers",
    "PostingEmpty",
    "PostingUnbalanced",
    "RegistrationAccounts",
    "Replay",
    "SignatureNotValid",
    "WebhookNotSigned",
    "account_codes_for",
    "apply_gateway_payment",
    "ask_about_open_payments",
    "cancel_payment",
    "checkpoint_balances",
    "create_gateway_order",
    "gateway_receivable",
    "open_registration_accounts",
    "post_to_ledger",
    "process_waiting_webhooks",
    "process_webhook",
    "receive_webhook",
    "request_check",
    "replay_all_orders",
    "replay_order",
    "set_up_reference_data",
    "start_payment",
    "sync_payment",
    "verify_checkout",
]
