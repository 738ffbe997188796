"""Orders whose payer was charged another amount, which was accepted as the full payment, and what became of the difference."""

from typing import Any

from apps.core import clock
from apps.core.events import SYSTEM
from apps.invoicing.models import Invoice
from apps.invoicing.services import issue_credit_notes
from apps.ledger import selectors as ledger
from apps.orders.models import Order
from apps.payments.facts import GatewayRefund
from apps.payments.models import Refund
from apps.payments.services import payment_acceptance
from apps.payments.services.refunds import gateway_updates
from tests.factories.catalog import make_registration
from tests.factories.invoicing import issue_invoice
from tests.factories.orders import make_order
from tests.factories.payments import apply_payment, apply_refund, make_gateway_payment, make_payment, new_gateway_id
from tests.support.refunds import request_refunds

_ACCOUNTS = ("customer_advances", "payer_fees", "payment_differences", "refunds_payable")


def sell(owner: Any, *, difference: int) -> tuple[Order, Any]:
    """Return a confirmed and invoiced order of two equal units, and its attempt of another amount."""
    make_registration()
    order = make_order(owner, quantity=2)
    reason = "surcharge" if difference > 0 else "offer"
    attempt = apply_payment(make_gateway_payment(make_payment(order), amount=order.total_amount + difference))
    payment_acceptance.accept_attempt(attempt_id=attempt.pk, reason=reason, actor=SYSTEM, now=clock.now())
    issue_invoice(order_id=order.pk, actor=SYSTEM, now=clock.now())
    order.refresh_from_db()
    attempt.refresh_from_db()
    return order, attempt


def refund(order: Order, **asked: Any) -> tuple[Refund, list[Invoice]]:
    """Return a refund whose money has gone back, and its credit notes."""
    (requested,) = request_refunds(order_id=order.pk, reason="goods_returned", actor=SYSTEM, now=clock.now(), **asked)
    processed = apply_refund(requested)
    notes = issue_credit_notes(refund_id=processed.pk, actor=SYSTEM, now=clock.now())
    order.refresh_from_db()
    return processed, notes


def refund_at_gateway(attempt: Any, amount: int) -> list[Invoice]:
    """Have somebody refund an amount in the gateway's dashboard, and return its credit notes."""
    made = report_refund(attempt, amount)
    return issue_credit_notes(refund_id=made.pk, actor=SYSTEM, now=clock.now())


def report_refund(attempt: Any, amount: int) -> Refund:
    """Have the gateway report a refund that somebody made in its dashboard."""
    facts = GatewayRefund(
        gateway="razorpay", id=new_gateway_id("rfnd"), gateway_payment_id=attempt.gateway_payment_id,
        status="processed", amount=amount, currency="INR",
    )  # fmt: skip
    return gateway_updates.apply_gateway_refund(facts=facts, actor=SYSTEM, now=clock.now())


def balances() -> dict[str, int]:
    """Return the balances, where there are any, of the accounts that a difference and its refund go through."""
    return {code: balance for code in _ACCOUNTS if (balance := ledger.balance_of(code))}
