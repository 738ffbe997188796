"""Admin search of payments, refunds, disputes and settlements by the gateway's ids, our ids and bank references."""

from typing import Any

from django.http import HttpRequest

from apps.core import clock
from apps.core.admin_search import Finder, add_finder
from apps.core.dates import format_day
from apps.core.money import amount_text, rupees
from apps.payments import selectors
from apps.payments.models import Dispute, Payment, PaymentAttempt, ReconciliationException, Refund, Settlement


def _join_parts(*parts: Any) -> str:
    return " · ".join(str(part) for part in parts if part)


def _describe_payment(payment: Payment, request: HttpRequest) -> tuple[str, str]:
    amount = amount_text(payment.amount, payment.currency)
    order = f"order {payment.order.number}"
    return payment.public_id, _join_parts(payment.get_status_display(), amount, order, payment.gateway_reference)


def _describe_attempt(attempt: PaymentAttempt, request: HttpRequest) -> tuple[str, str]:
    amount = amount_text(attempt.amount, attempt.currency)
    order = f"order {attempt.payment.order.number}"
    return attempt.gateway_payment_id, _join_parts(attempt.get_status_display(), amount, order, attempt.rrn)


def _describe_refund(refund: Refund, request: HttpRequest) -> tuple[str, str]:
    reference = refund.gateway_refund_id or refund.transfer_reference
    return refund.number, _join_parts(refund.get_status_display(), rupees(refund.amount), reference, refund.arn)


def _describe_dispute(dispute: Dispute, request: HttpRequest) -> tuple[str, str]:
    order = f"order {dispute.order.number}"
    return dispute.gateway_dispute_id, _join_parts(dispute.get_status_display(), rupees(dispute.amount), order)


def _describe_settlement(settlement: Settlement, request: HttpRequest) -> tuple[str, str]:
    amount = rupees(settlement.amount) if settlement.amount is not None else ""
    utr = f"UTR {settlement.utr}" if settlement.utr else ""
    settled = format_day(clock.ist_date(settlement.settled_at))
    return settlement.gateway_settlement_id, _join_parts(amount, utr, settled)


def _describe_exception(exception: ReconciliationException, request: HttpRequest) -> tuple[str, str]:
    state = exception.get_resolution_display() or "Open"
    return exception.entity_id, _join_parts(exception.get_reason_display(), state)


for _finder in (
    Finder(
        "payments.payment", title="Payments", position=40, describe=_describe_payment,
        find=lambda term, request: selectors.search_payments(term).select_related("order"),
        hint="The gateway's id of a payment, order, link, refund, dispute or settlement, such as pay_29QQoUBi66xm2f",
    ),
    Finder(
        "payments.paymentattempt", title="Payment attempts", position=41, describe=_describe_attempt,
        find=lambda term, request: selectors.search_attempts(term).select_related("payment__order"),
        hint="The bank's reference of a UPI payment (RRN)",
    ),
    Finder(
        "payments.refund", title="Refunds", position=50, describe=_describe_refund,
        find=lambda term, request: selectors.search_refunds(term),
        hint="The number of a refund, or the bank's reference of it (ARN, or the UTR of a bank transfer)",
    ),
    Finder(
        "payments.dispute", title="Disputes", position=60, describe=_describe_dispute,
        find=lambda term, request: selectors.search_disputes(term).select_related("order"),
        hint="The gateway's id of a dispute, such as disp_…",
    ),
    Finder(
        "payments.settlement", title="Settlements", position=70, describe=_describe_settlement,
        find=lambda term, request: selectors.search_settlements(term),
        hint="The UTR of a settlement, as it stands on the bank's statement",
    ),
    Finder(
        "payments.reconciliationexception", title="Exceptions", position=71, describe=_describe_exception,
        find=lambda term, request: selectors.search_exceptions(term),
        hint="The gateway's id of what an exception is about",
    ),
):  # fmt: skip
    add_finder(_finder)
