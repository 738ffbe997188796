"""
Event -> handlers and projections: which handlers run on which event, and which events change projections.

An event without a handler is named in UNSUBSCRIBED, so that none is forgotten.
"""

from collections.abc import Callable

from apps.accounts import events as accounts
from apps.accounts import handlers as account_handlers
from apps.backoffice import events as backoffice
from apps.backoffice import handlers as backoffice_handlers
from apps.catalog import events as catalog
from apps.core import incidents
from apps.core.relay import OnlyIf
from apps.fulfilment import events as fulfilment
from apps.fulfilment import handlers as fulfilment_handlers
from apps.invoicing import events as invoicing
from apps.invoicing import handlers as invoicing_handlers
from apps.ledger import events as ledger
from apps.notifications import events as notifications
from apps.notifications import handlers as notification_handlers
from apps.orders import events as orders
from apps.payments import events as payments
from apps.payments import handlers as payment_handlers
from apps.settlements import events as settlements
from apps.settlements import handlers as settlement_handlers

HANDLERS: dict[str, tuple[Callable[..., object] | OnlyIf, ...]] = {
    accounts.CHALLENGE_REQUESTED: (account_handlers.send_code,),
    accounts.USER_SIGNED_UP: (notification_handlers.notify,),
    accounts.USER_EMAIL_CONFIRMED: (notification_handlers.notify,),
    accounts.USER_PASSWORD_CHANGED: (notification_handlers.notify,),
    accounts.USER_ERASED: (
        payment_handlers.erase_payer,
        notification_handlers.erase_messages,
        fulfilment_handlers.delete_packing_slips,
    ),
    orders.ORDER_PLACED: (notification_handlers.notify,),
    orders.ORDER_CONFIRMED: (invoicing_handlers.issue_invoices_of_order, notification_handlers.notify),
    orders.ORDER_CANCELLED: (notification_handlers.notify, invoicing_handlers.issue_pending_credit_notes),
    orders.ORDER_EXPIRED: (notification_handlers.notify,),
    payments.PAYMENT_CREATED: (payment_handlers.create_gateway_order_for_payment,),
    payments.PAYMENT_READY: (OnlyIf(notification_handlers.notify, {"channel": "payment_link"}),),
    payments.PAYMENT_CANCELLED: (payment_handlers.close_gateway_link,),
    payments.PAYMENT_EXPIRED: (payment_handlers.close_gateway_link,),
    payments.PAYMENT_SYNC_REQUESTED: (payment_handlers.sync_payment,),
    payments.SETTLEMENT_REPORTED: (settlement_handlers.request_reported_settlement,),
    settlements.SETTLEMENT_IMPORT_REQUESTED: (settlement_handlers.import_settlements,),
    payments.WEBHOOK_RECEIVED: (payment_handlers.process_webhook,),
    payments.WEBHOOK_RETRY_REQUESTED: (payment_handlers.process_webhook,),
    payments.ATTEMPT_FAILED: (notification_handlers.notify,),
    payments.PAYMENT_SUCCEEDED_LATE: (notification_handlers.notify,),
    invoicing.INVOICE_ISSUED: (
        invoicing_handlers.render_invoice,
        OnlyIf(invoicing_handlers.issue_pending_credit_notes, {"is_refunded": True}),
    ),
    # All of an order may be refunded before its invoice is issued, and its credit notes follow the invoice.
    invoicing.CREDIT_NOTE_ISSUED: (invoicing_handlers.render_invoice, fulfilment_handlers.complete_order),
    invoicing.INVOICE_RENDERED: (notification_handlers.notify,),
    invoicing.CREDIT_NOTE_RENDERED: (notification_handlers.notify,),
    payments.DISPUTE_OPENED: (notification_handlers.notify, backoffice_handlers.render_evidence),
    payments.DISPUTE_UPDATED: (notification_handlers.notify, backoffice_handlers.render_evidence),
    payments.DISPUTE_EVIDENCE_ADDED: (backoffice_handlers.render_evidence,),
    payments.DISPUTE_DEADLINE_APPROACHED: (notification_handlers.notify,),
    payments.DISPUTE_RESPONSE_REQUESTED: (backoffice_handlers.respond_to_dispute,),
    payments.DISPUTE_RESPONSE_REJECTED: (notification_handlers.notify,),
    payments.DISPUTE_WON: (notification_handlers.notify, fulfilment_handlers.complete_order),
    payments.DISPUTE_LOST: (notification_handlers.notify, fulfilment_handlers.complete_order),
    payments.DISPUTE_CLOSED: (notification_handlers.notify, fulfilment_handlers.complete_order),
    payments.PAYMENT_REJECTED: (notification_handlers.notify,),
    payments.ATTEMPT_REVIEW_OPENED: (notification_handlers.notify,),
    payments.ATTEMPT_REVIEW_CLOSED: (fulfilment_handlers.complete_order,),
    payments.REFUND_REQUESTED: (payment_handlers.submit_refund, notification_handlers.notify),
    payments.REFUND_APPROVED: (payment_handlers.submit_refund, notification_handlers.notify),
    payments.REFUND_SYNC_REQUESTED: (payment_handlers.sync_refund,),
    payments.REFUND_UNKNOWN: (notification_handlers.notify,),
    payments.REFUND_PROCESSED: (
        invoicing_handlers.issue_credit_notes_of_refund,
        notification_handlers.notify,
        fulfilment_handlers.complete_order,
    ),
    payments.REFUND_FAILED: (notification_handlers.notify,),
    payments.REFUND_CANCELLED: (notification_handlers.notify, fulfilment_handlers.complete_order),
    fulfilment.SHIPMENT_CREATED: (fulfilment_handlers.render_packing_slip,),
    fulfilment.SHIPMENT_PACKED: (fulfilment_handlers.render_packing_slip,),
    fulfilment.SHIPMENT_TRACKING_UPDATED: (fulfilment_handlers.render_packing_slip,),
    fulfilment.SHIPMENT_PACKING_SLIP_REQUESTED: (fulfilment_handlers.render_packing_slip,),
    fulfilment.SHIPMENT_DISPATCHED: (notification_handlers.notify,),
    fulfilment.SHIPMENT_DELIVERED: (notification_handlers.notify,),
    fulfilment.SHIPMENT_LOST: (notification_handlers.notify,),
    fulfilment.SHIPMENT_DAMAGED: (notification_handlers.notify,),
    notifications.NOTIFICATION_QUEUED: (notification_handlers.send_notification,),
    notifications.NOTIFICATION_RESEND_REQUESTED: (notification_handlers.send_notification,),
    backoffice.DISPUTE_EVIDENCE_REQUESTED: (backoffice_handlers.render_evidence,),
}

UNSUBSCRIBED: frozenset[str] = frozenset(
    {
        accounts.USER_UPDATED,
        accounts.USER_ROLES_CHANGED,
        accounts.USER_CONTACT_DETAILS_VIEWED,
        accounts.USER_DEACTIVATED,
        accounts.USER_REACTIVATED,
        accounts.SESSION_STARTED,
        accounts.SESSION_ENDED,
        accounts.ADDRESS_ADDED,
        accounts.ADDRESS_UPDATED,
        accounts.ADDRESS_REMOVED,
        catalog.PRODUCT_CREATED,
        catalog.PRODUCT_UPDATED,
        catalog.VARIANT_CREATED,
        catalog.VARIANT_UPDATED,
        catalog.STOCK_ADJUSTED,
        incidents.INCIDENT_OPENED,
        incidents.INCIDENT_RESOLVED,
        orders.ORDER_ERASED,
        orders.ORDER_PAYMENT_UPDATED,
        orders.ORDER_HELD,
        orders.ORDER_RELEASED,
        orders.ORDER_FULFILMENT_STARTED,
        orders.ORDER_FULFILMENT_UPDATED,
        orders.ORDER_COMPLETED,
        orders.ORDER_CLOSED,
        fulfilment.SHIPMENT_CANCELLED,
        payments.PAYMENT_UPDATED,
        payments.PAYMENT_SUCCEEDED,
        payments.ATTEMPT_CREATED,
        payments.ATTEMPT_UPDATED,
        payments.ATTEMPT_AUTHORIZED,
        payments.ATTEMPT_AUTO_REFUNDED,
        settlements.SETTLEMENT_IMPORT_FAILED,
        settlements.SETTLEMENT_IMPORT_COMPLETED,
        settlements.SETTLEMENT_IMPORTED,
        settlements.SETTLEMENT_UPDATED,
        settlements.SETTLEMENT_FAILED,
        settlements.SETTLEMENT_RETRIED,
        settlements.FEE_RATE_ADDED,
        settlements.FEE_RATE_WITHDRAWN,
        settlements.SETTLEMENT_BANKED,
        settlements.BANK_STATEMENT_IMPORT_REQUESTED,
        settlements.BANK_STATEMENT_IMPORT_FAILED,
        settlements.BANK_STATEMENT_IMPORT_COMPLETED,
        settlements.BANK_LINE_IMPORTED,
        settlements.BANK_LINE_ASSIGNED,
        ledger.EXCEPTION_OPENED,
        ledger.EXCEPTION_ASSIGNED,
        ledger.EXCEPTION_RESOLVED,
        payments.ATTEMPT_CAPTURED,
        payments.ATTEMPT_ACCEPTANCE_REQUESTED,
        payments.ATTEMPT_ACCEPTED,
        payments.REFUND_SUBMITTED,
        payments.REFUND_UPDATED,
        payments.DOWNTIME_SCHEDULED,
        payments.DOWNTIME_STARTED,
        payments.DOWNTIME_UPDATED,
        payments.DOWNTIME_RESOLVED,
        invoicing.CREDIT_NOTE_SKIPPED,
        notifications.NOTIFICATION_SENT,
        notifications.NOTIFICATION_FAILED,
    }
)

#: The events that change what projections show of an order. They run no handler for it: the relay keeps the order as pending,
#: and a task of the clock brings the projections up to date for all pending orders at once.
PROJECTED: frozenset[str] = frozenset(
    {
        orders.ORDER_PLACED,
        orders.ORDER_CONFIRMED,
        orders.ORDER_CANCELLED,
        orders.ORDER_EXPIRED,
        payments.ATTEMPT_CAPTURED,
        payments.REFUND_PROCESSED,
    }
)
