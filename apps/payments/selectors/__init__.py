"""Queries of payments, refunds and disputes that other apps use."""

from apps.payments.selectors.disputes import (
    count_disputes_awaiting_response,
    get_dispute,
    is_order_disputed,
    list_disputes,
    list_evidence,
)
from apps.payments.selectors.downtimes import count_current_downtimes
from apps.payments.selectors.order_money import (
    is_balanced,
    is_fully_refunded,
    list_refunded_lines,
    sum_refunded_units,
)
from apps.payments.selectors.order_rows import list_rows_of_orders
from apps.payments.selectors.payments import (
    describe_failure,
    find_captured_attempt,
    get_attempt,
    get_payment,
    has_captured_money,
    has_later_attempt,
    list_attempts_to_review,
    list_payments_of_order,
    list_unknown_payments,
)
from apps.payments.selectors.reconciliation import (
    describe_disputes_by_gateway_id,
    describe_payments_by_gateway_id,
    describe_refunds_by_gateway_id,
    fees_by_gateway_id,
    first_captured_at,
    list_disputes_to_reconcile,
    list_known_amounts,
    list_payments_to_reconcile,
    list_refunds_to_reconcile,
)
from apps.payments.selectors.refunds import (
    get_refund,
    is_any_refund_processed,
    list_refunds_of_order,
    list_refunds_to_approve,
    list_refunds_to_retry_or_transfer,
    list_transferred_refunds,
    list_unknown_refunds,
)
from apps.payments.selectors.search import (
    search_attempts,
    search_disputes,
    search_of_order,
    search_payments,
    search_refunds,
)
from apps.payments.selectors.webhooks import last_webhook_at

__all__ = [
    "count_current_downtimes",
    "count_disputes_awaiting_response",
    "describe_disputes_by_gateway_id",
    "describe_failure",
    "describe_payments_by_gateway_id",
    "describe_refunds_by_gateway_id",
    "fees_by_gateway_id",
    "find_captured_attempt",
    "first_captured_at",
    "get_attempt",
    "get_dispute",
    "get_payment",
    "get_refund",
    "has_captured_money",
    "has_later_attempt",
    "is_any_refund_processed",
    "is_balanced",
    "is_fully_refunded",
    "is_order_disputed",
    "last_webhook_at",
    "list_attempts_to_review",
    "list_disputes",
    "list_disputes_to_reconcile",
    "list_evidence",
    "list_known_amounts",
    "list_payments_of_order",
    "list_payments_to_reconcile",
    "list_refunded_lines",
    "list_refunds_of_order",
    "list_refunds_to_approve",
    "list_refunds_to_reconcile",
    "list_refunds_to_retry_or_transfer",
    "list_rows_of_orders",
    "list_transferred_refunds",
    "list_unknown_payments",
    "list_unknown_refunds",
    "search_attempts",
    "search_disputes",
    "search_of_order",
    "search_payments",
    "search_refunds",
    "sum_refunded_units",
]
