"""Services of payments that other apps and config use; inside the app the modules are imported."""

from apps.payments.gateways.interface import EvidenceFile, GatewayFailure
from apps.payments.services.disputes.evidence import add_dispute_evidence
from apps.payments.services.disputes.polling import poll_new_disputes, sync_dispute
from apps.payments.services.disputes.responses import submit_dispute_response
from apps.payments.services.ledger_accounts import BANK, CUSTOMER_ADVANCES, gateway_receivable, set_up_reference_data
from apps.payments.services.payment_differences import reverse_difference
from apps.payments.services.polling import sync_payment
from apps.payments.services.refunds.submission import sync_refund
from apps.payments.services.settlement_reports import (
    fetch_and_apply_dispute,
    fetch_and_apply_payment,
    fetch_and_apply_refund,
    fetch_settlement,
    fetch_settlement_report,
    read_report_line,
    read_settlement_webhook,
)
from apps.payments.services.webhook_health import WEBHOOKS_MISSING

__all__ = [
    "BANK",
    "CUSTOMER_ADVANCES",
    "WEBHOOKS_MISSING",
    "EvidenceFile",
    "GatewayFailure",
    "add_dispute_evidence",
    "fetch_and_apply_dispute",
    "fetch_and_apply_payment",
    "fetch_and_apply_refund",
    "fetch_settlement",
    "fetch_settlement_report",
    "gateway_receivable",
    "poll_new_disputes",
    "read_report_line",
    "read_settlement_webhook",
    "reverse_difference",
    "set_up_reference_data",
    "submit_dispute_response",
    "sync_dispute",
    "sync_payment",
    "sync_refund",
]
