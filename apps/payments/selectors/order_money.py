"""Queries of everything that happened to an order's money."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from apps.core.models import Subject
from apps.payments.models import (
    Dispute,
    Payment,
    PaymentAttempt,
    ReconciliationException,
    Refund,
    Settlement,
    SettlementImport,
)
from apps.payments.selectors.ledger import list_entries_of_order
from apps.payments.selectors.payments import list_payments_of_order


def list_rows_of_orders(order_ids: Collection[UUID]) -> dict[str, list[tuple[UUID, Subject]]]:
    """Return the rows of some orders that record events, by kind, each with its order's id."""
    payments = Payment.objects.filter(order_id__in=order_ids)
    attempts = PaymentAttempt.objects.filter(payment__order_id__in=order_ids).select_related("payment")
    refunds = Refund.objects.filter(order_id__in=order_ids)
    return {
        "payments": [(one.order_id, one) for one in payments],
        "attempts": [(one.payment.order_id, one) for one in attempts],
        "refunds": [(one.order_id, one) for one in refunds],
        "disputes": [(one.order_id, one) for one in Dispute.objects.filter(order_id__in=order_ids)],
    }


#: The models that record events and belong to no order, by kind.
SETTLEMENT_MODELS: dict[str, type[Subject]] = {
    "settlements": Settlement,
    "imports": SettlementImport,
    "exceptions": ReconciliationException,
}


def list_rows_of_settlements(kind: str, *, after: UUID | None, limit: int) -> list[Subject]:
    """Return a page of the rows of a kind, oldest first, after the row with the id `after`."""
    rows = SETTLEMENT_MODELS[kind]._default_manager.all()
    if after is not None:
        rows = rows.filter(pk__gt=after)
    return list(rows.order_by("pk")[:limit])


def get_money_history(order_id: UUID) -> dict[str, list[dict[str, Any]]]:
    """Return payments, attempts, refunds, disputes and ledger entries of an order, for an operator. Paise and UTC."""
    payments = list(list_payments_of_order(order_id))
    return {
        "payments": [_describe(one, one.gateway_reference or "") for one in payments],
        "attempts": [_describe(one, one.gateway_payment_id) for payment in payments for one in payment.attempts.all()],
        "refunds": [
            _describe(one, one.gateway_refund_id or one.transfer_reference)
            for one in Refund.objects.filter(order_id=order_id).order_by("sequence")
        ],
        "disputes": [
            _describe(one, one.gateway_dispute_id)
            for one in Dispute.objects.filter(order_id=order_id).order_by("opened_at")
        ],
        "ledger": [
            {
                "at": entry.transaction.occurred_at,
                "kind": entry.transaction.kind,
                "account": entry.account_id,
                "amount": entry.amount,
                "description": entry.transaction.description,
            }
            for entry in list_entries_of_order(order_id)
        ],
    }


def _describe(one: Any, gateway_id: str) -> dict[str, Any]:
    return {
        "at": one.created_at,
        "id": one.public_id,
        "status": one.status,
        "amount": one.amount,
        "currency": one.currency,
        "gateway_id": gateway_id,
    }
