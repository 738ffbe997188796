"""Services of payments: start, apply gateway updates, refund, dispute, poll."""

from apps.payments.gateways import EvidenceFile, GatewayFailure
from apps.payments.services.attempts import (
    PaymentFactsConflict,
    UnknownGatewayPayment,
    apply_gateway_payment,
    apply_polled_payment,
    report_contradiction,
)
from apps.payments.services.checkout_signatures import InvalidCheckoutSignature, verify_checkout
from apps.payments.services.decision_rights import (
    SecondPersonRequired,
    SelfApprovalForbidden,
    assess_decision,
    check_decision,
)
from apps.payments.services.disputes.evidence import (
    EvidenceLimitExceeded,
    TrackingRequiresShippingEvidence,
    add_dispute_evidence,
)
from apps.payments.services.disputes.gateway_updates import (
    DisputeFactsConflict,
    UnknownGatewayDispute,
    apply_gateway_dispute,
)
from apps.payments.services.disputes.polling import poll_new_disputes, poll_open_disputes, sync_dispute
from apps.payments.services.disputes.reminders import send_dispute_reminders
from apps.payments.services.disputes.responses import (
    DisputeDeadlinePassed,
    DisputeNotAwaitingResponse,
    accept_dispute,
    contest_dispute,
    submit_dispute_response,
)
from apps.payments.services.erasure import erase_payer
from apps.payments.services.gateway_exceptions import open_gateway_exception
from apps.payments.services.gateway_orders import create_gateway_order
from apps.payments.services.ledger_accounts import (
    BANK,
    CUSTOMER_ADVANCES,
    REFUNDS_PAYABLE,
    gateway_receivable,
    set_up_reference_data,
)
from apps.payments.services.order_cancellation import cancel_order
from apps.payments.services.payment_acceptance import (
    AcceptanceReasonMismatch,
    AttemptNotAcceptable,
    DifferenceReasonMismatch,
    accept_attempt,
)
from apps.payments.services.payment_differences import reverse_difference
from apps.payments.services.payment_reviews import (
    AttemptNotUnderReview,
    ReviewHasUnrefundedAmount,
    ReviewNoteRequired,
    close_review,
    refund_reviewed_attempt,
)
from apps.payments.services.payments import (
    NothingToPay,
    OrderNotPayable,
    PaymentInProgress,
    PaymentNotCancellable,
    PaymentUnderReview,
    cancel_payment,
    start_link,
    start_payment,
)
from apps.payments.services.polling import close_link, poll_open_payments, request_payment_sync, sync_payment
from apps.payments.services.refunds.amounts import (
    MINIMUM_PAISE,
    LineNotInOrder,
    LinesSpanPayments,
    NothingToRefund,
    PaymentDisputed,
    RefundExceedsPayment,
    RefundLeavesRemainder,
    RefundLineInput,
    RefundQuantityExceedsLine,
    RefundTooSmall,
    preview_line_amounts,
)
from apps.payments.services.refunds.approvals import (
    RefundNotAwaitingApproval,
    RefundNotCancellable,
    approve_refund,
    cancel_refund,
    reject_refund,
)
from apps.payments.services.refunds.bank_transfers import (
    RefundNotTransferable,
    confirm_refund_transfer,
    hold_refund_for_transfer,
)
from apps.payments.services.refunds.gateway_updates import (
    RefundFactsConflict,
    UnknownGatewayRefund,
    apply_gateway_refund,
)
from apps.payments.services.refunds.previews import RefundPreviewOutdated, preview_refund, request_previewed_refund
from apps.payments.services.refunds.requests import (
    AmountAndLinesConflict,
    RefundAlreadyRetried,
    RefundNotFailed,
    RefundPlan,
    request_refund,
    retry_refund,
)
from apps.payments.services.refunds.submission import (
    RefundNotOpen,
    poll_open_refunds,
    request_refund_sync,
    submit_refund,
    sync_refund,
)
from apps.payments.services.review_reminders import report_overdue_reviews
from apps.payments.services.settlement_reports import (
    fetch_settlement,
    fetch_settlement_report,
    find_settlement_day,
    read_report_line,
    recover_dispute,
    recover_payment,
    recover_refund,
)
from apps.payments.services.webhook_health import WEBHOOKS_MISSING, check_missing_webhooks
from apps.payments.services.webhooks import (
    InvalidWebhookSignature,
    WebhookNotParked,
    process_webhook,
    receive_webhook,
    retry_webhook,
    sweep_webhooks,
)

__all__ = [
    "BANK",
    "CUSTOMER_ADVANCES",
    "MINIMUM_PAISE",
    "REFUNDS_PAYABLE",
    "WEBHOOKS_MISSING",
    "AcceptanceReasonMismatch",
    "AmountAndLinesConflict",
    "AttemptNotAcceptable",
    "AttemptNotUnderReview",
    "DifferenceReasonMismatch",
    "DisputeDeadlinePassed",
    "DisputeFactsConflict",
    "DisputeNotAwaitingResponse",
    "EvidenceFile",
    "EvidenceLimitExceeded",
    "GatewayFailure",
    "InvalidCheckoutSignature",
    "InvalidWebhookSignature",
    "LineNotInOrder",
    "LinesSpanPayments",
    "NothingToPay",
    "NothingToRefund",
    "OrderNotPayable",
    "PaymentDisputed",
    "PaymentFactsConflict",
    "PaymentInProgress",
    "PaymentNotCancellable",
    "PaymentUnderReview",
    "RefundAlreadyRetried",
    "RefundExceedsPayment",
    "RefundFactsConflict",
    "RefundLeavesRemainder",
    "RefundLineInput",
    "RefundNotAwaitingApproval",
    "RefundNotCancellable",
    "RefundNotFailed",
    "RefundNotOpen",
    "RefundNotTransferable",
    "RefundPlan",
    "RefundPreviewOutdated",
    "RefundQuantityExceedsLine",
    "RefundTooSmall",
    "ReviewHasUnrefundedAmount",
    "ReviewNoteRequired",
    "SecondPersonRequired",
    "SelfApprovalForbidden",
    "TrackingRequiresShippingEvidence",
    "UnknownGatewayDispute",
    "UnknownGatewayPayment",
    "UnknownGatewayRefund",
    "WebhookNotParked",
    "accept_attempt",
    "accept_dispute",
    "add_dispute_evidence",
    "apply_gateway_dispute",
    "apply_gateway_payment",
    "apply_gateway_refund",
    "apply_polled_payment",
    "approve_refund",
    "assess_decision",
    "cancel_order",
    "cancel_payment",
    "cancel_refund",
    "check_decision",
    "check_missing_webhooks",
    "close_link",
    "close_review",
    "confirm_refund_transfer",
    "contest_dispute",
    "create_gateway_order",
    "erase_payer",
    "fetch_settlement",
    "fetch_settlement_report",
    "find_settlement_day",
    "gateway_receivable",
    "hold_refund_for_transfer",
    "open_gateway_exception",
    "poll_new_disputes",
    "poll_open_disputes",
    "poll_open_payments",
    "poll_open_refunds",
    "preview_line_amounts",
    "preview_refund",
    "process_webhook",
    "read_report_line",
    "receive_webhook",
    "recover_dispute",
    "recover_payment",
    "recover_refund",
    "refund_reviewed_attempt",
    "reject_refund",
    "report_contradiction",
    "report_overdue_reviews",
    "request_payment_sync",
    "request_previewed_refund",
    "request_refund",
    "request_refund_sync",
    "retry_refund",
    "retry_webhook",
    "reverse_difference",
    "send_dispute_reminders",
    "set_up_reference_data",
    "start_link",
    "start_payment",
    "submit_dispute_response",
    "submit_refund",
    "sweep_webhooks",
    "sync_dispute",
    "sync_payment",
    "sync_refund",
    "verify_checkout",
]
