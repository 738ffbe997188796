"""Clock -> tasks: everything that happens by itself. Each task may run twice, or not for a day, without harm."""

from typing import Any

SCHEDULE: dict[str, dict[str, Any]] = {
    "forget old idempotency keys": {"task": "core.forget_idempotency_keys", "schedule": 3600.0},
    "audit": {"task": "core.audit", "schedule": 60.0},
    "expire unpaid orders": {"task": "orders.expire_orders", "schedule": 30.0},
    "ask about open payments": {"task": "payments.ask_about_open_payments", "schedule": 15.0},
    "ask about open refunds": {"task": "payments.ask_about_open_refunds", "schedule": 15.0},
    "ask about open disputes": {"task": "payments.ask_about_open_disputes", "schedule": 60.0},
    "find new disputes": {"task": "payments.find_new_disputes", "schedule": 3600.0},
    "warn of dispute deadlines": {"task": "payments.warn_of_dispute_deadlines", "schedule": 900.0},
    "warn of money under review": {"task": "payments.warn_of_open_reviews", "schedule": 3600.0},
    "process waiting webhooks": {"task": "payments.process_waiting_webhooks", "schedule": 30.0},
    "check for missing webhooks": {"task": "payments.check_missing_webhooks", "schedule": 60.0},
    "import settlements": {"task": "payments.import_settlements", "schedule": 6 * 3600.0},
    "find missing settlement lines": {"task": "payments.find_missing_lines", "schedule": 6 * 3600.0},
    "find overdue receivables": {"task": "payments.find_overdue_receivables", "schedule": 6 * 3600.0},
    "checkpoint balances": {"task": "payments.checkpoint_balances", "schedule": 86_400.0},
    "render missing invoices": {"task": "invoicing.render_missing_documents", "schedule": 60.0},
    "send waiting notifications": {"task": "notifications.send_waiting", "schedule": 10.0},
    "forget old log-in data": {"task": "accounts.forget_expired", "schedule": 3600.0},
}
