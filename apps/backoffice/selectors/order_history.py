"""Everything that happened to an order and to its money."""

from typing import Any
from uuid import UUID

from apps.core.events import list_events_of_root
from apps.invoicing import selectors as invoicing
from apps.ledger import selectors as ledger
from apps.orders import selectors as orders
from apps.payments import selectors as payments


def get_order_history(number: str) -> dict[str, Any]:
    """
    Return everything that became of an order and of its money, for an operator. Amounts in paise, instants UTC.

    :raises OrderNotFound: if no order has that number
    """
    order = orders.get_order_by_number(number)
    return {
        "order": {
            "id": order.public_id,
            "number": order.number,
            "status": order.status,
            "total_amount": order.total_amount,
            "paid_amount": order.paid_amount,
            "refunded_amount": order.refunded_amount,
            "currency": order.currency,
        },
        "events": [
            {
                "at": event.created_at,
                "type": event.type,
                "version": event.version,
                "actor": event.actor,
                "reason": event.reason,
            }
            for event in list_events_of_root(order.pk)
        ],
        **_money_of(order.pk),
        "documents": [
            {
                "at": invoice.issued_at,
                "id": invoice.public_id,
                "type": invoice.type,
                "number": invoice.number,
                "status": invoice.status,
                "amount": invoice.total_amount,
            }
            for invoice in invoicing.list_documents_of_order(order.pk)
        ],
    }


def _money_of(order_id: UUID) -> dict[str, list[dict[str, Any]]]:
    """Return payments, attempts, refunds, disputes and ledger entries of an order, for an operator. Paise and UTC."""
    asked = list(payments.list_payments_of_order(order_id))
    return {
        "payments": [_describe(one, one.gateway_reference or "") for one in asked],
        "attempts": [_describe(one, one.gateway_payment_id) for payment in asked for one in payment.attempts.all()],
        "refunds": [
            _describe(one, one.gateway_refund_id or one.transfer_reference)
            for one in payments.list_refunds_of_order(order_id).order_by("sequence")
        ],
        "disputes": [
            _describe(one, one.gateway_dispute_id)
            for one in payments.list_disputes(order_id=order_id).order_by("opened_at")
        ],
        "ledger": [
            {
                "at": entry.transaction.occurred_at,
                "kind": entry.transaction.kind,
                "account": entry.account_id,
                "amount": entry.amount,
                "description": entry.transaction.description,
            }
            for entry in ledger.list_entries_of_order(order_id)
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
