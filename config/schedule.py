"""Clock -> tasks: everything that happens by itself. Each task may run twice, or not for a day, without harm."""

from typing import Any

SCHEDULE: dict[str, dict[str, Any]] = {
    "delete expired idempotency keys": {"task": "core.delete_expired_idempotency_keys", "schedule": 3600.0},
    "audit": {"task": "core.audit", "schedule": 60.0},
    "audit everything": {"task": "core.audit_everything", "schedule": 600.0},
    "expire unpaid orders": {"task": "orders.expire_orders", "schedule": 30.0},
    "close completed orders": {"task": "orders.close_orders", "schedule": 3600.0},
    "poll open payments": {"task": "payments.poll_open_payments", "schedule": 15.0},
    "poll open refunds": {"task": "payments.poll_open_refunds", "schedule": 15.0},
    "poll open disputes": {"task": "payments.poll_open_disputes", "schedule": 60.0},
    "poll new disputes": {"task": "payments.poll_new_disputes", "schedule": 3600.0},
    "poll payment downtimes": {"task": "payments.poll_downtimes", "schedule": 300.0},
    "send dispute reminders": {"task": "payments.send_dispute_reminders", "schedule": 900.0},
    "report overdue reviews": {"task": "payments.report_overdue_reviews", "schedule": 3600.0},
    "sweep webhooks": {"task": "payments.sweep_webhooks", "schedule": 30.0},
    "check for missing webhooks": {"task": "payments.report_missing_webhooks", "schedule": 60.0},
    "import settlements": {"task": "settlements.import_settlements", "schedule": 6 * 3600.0},
    "open missing line exceptions": {"task": "settlements.open_missing_line_exceptions", "schedule": 6 * 3600.0},
    "open overdue receivable exceptions": {
        "task": "settlements.open_overdue_receivable_exceptions",
        "schedule": 6 * 3600.0,
    },
    "refresh projections": {"task": "backoffice.refresh_projections", "schedule": 10.0},
    "measure explained money": {"task": "backoffice.measure_explained_money", "schedule": 600.0},
    "checkpoint balances": {"task": "ledger.checkpoint_balances", "schedule": 86_400.0},
    "render missing invoices": {"task": "invoicing.render_missing_documents", "schedule": 60.0},
    "send due notifications": {"task": "notifications.send_due", "schedule": 10.0},
    "delete expired log-in data": {"task": "accounts.delete_expired", "schedule": 3600.0},
}
