"""
Queue -> work: which queue each handler of a subscription and each task of the clock waits in, the most urgent queue first.

`buyer` is what a buyer waits for with the page open, `money` the books of payments, refunds and documents, `documents` the
PDFs, `messages` what is sent to people, `exports` the evidence that staff have put together, `housekeeping` what nobody waits for.
"""

from collections.abc import Callable

from apps.accounts import handlers as accounts
from apps.backoffice import handlers as backoffice
from apps.fulfilment import handlers as fulfilment
from apps.invoicing import handlers as invoicing
from apps.notifications import handlers as notifications
from apps.payments import handlers as payments
from apps.settlements import handlers as settlements

#: A task is named by its name, as the clock does.
QUEUES: dict[str, tuple[Callable[..., object] | str, ...]] = {
    "buyer": (
        accounts.send_code,
        payments.create_gateway_order_for_payment,
        payments.sync_payment,
    ),
    "money": (
        payments.process_webhook,
        payments.submit_refund,
        payments.sync_refund,
        payments.close_gateway_link,
        invoicing.issue_invoices_of_order,
        invoicing.issue_credit_notes_of_refund,
        invoicing.issue_pending_credit_notes,
        fulfilment.complete_order,
        backoffice.respond_to_dispute,
        "orders.expire_orders",
        "payments.poll_open_payments",
        "payments.poll_open_refunds",
        "payments.poll_open_disputes",
        "payments.sweep_webhooks",
    ),
    "documents": (
        invoicing.render_invoice,
        fulfilment.render_packing_slip,
        "invoicing.render_missing_documents",
    ),
    "messages": (
        notifications.notify,
        notifications.send_notification,
        "notifications.send_due",
        "payments.send_dispute_reminders",
    ),
    "exports": (backoffice.render_evidence,),
    "housekeeping": (
        payments.erase_payer,
        notifications.erase_messages,
        fulfilment.delete_packing_slips,
        settlements.request_reported_settlement,
        settlements.import_settlements,
        "core.audit",
        "core.audit_everything",
        "core.delete_expired_idempotency_keys",
        "accounts.delete_expired",
        "backoffice.measure_explained_money",
        "backoffice.refresh_projections",
        "ledger.checkpoint_balances",
        "orders.close_orders",
        "payments.poll_new_disputes",
        "payments.poll_downtimes",
        "payments.report_missing_webhooks",
        "payments.report_overdue_reviews",
        "settlements.import_settlements",
        "settlements.open_missing_line_exceptions",
        "settlements.open_overdue_receivable_exceptions",
    ),
}
