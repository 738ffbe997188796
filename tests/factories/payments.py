"""Money for tests: payments of orders, and what a gateway would say of them."""

import itertools
from datetime import datetime, timedelta
from typing import Any

from apps.core import clock
from apps.core.events import SYSTEM
from apps.core.external_calls import GatewayCall
from apps.ledger.models import ReconciliationException
from apps.payments.facts import GatewayDispute, GatewayError, GatewayPayment, GatewayRefund
from apps.payments.models import Dispute, Payment, PaymentAttempt, Refund
from apps.payments.services import attempts, ledger_accounts, payments
from apps.payments.services.disputes import gateway_updates as dispute_updates
from apps.payments.services.refunds import approvals
from apps.payments.services.refunds import gateway_updates as refund_updates
from apps.payments.states import AttemptStatus, Source
from apps.settlements.models import Settlement, SettlementImport, SettlementLine
from tests.factories.accounts import make_staff
from tests.factories.orders import actor_for
from tests.support.refunds import request_refunds

_numbers = itertools.count(1)


def new_gateway_id(prefix: str) -> str:
    """Return an id of Razorpay's form, such as `pay_00000000000042`."""
    return f"{prefix}_{next(_numbers):014d}"


def make_payment(order: Any, *, now: datetime | None = None, is_ready: bool = True) -> Payment:
    """Return a live payment of an order; a ready one is known to the gateway."""
    ledger_accounts.set_up_reference_data(now=now or clock.now())
    payment = payments.start_payment(
        order_id=order.pk, customer_id=order.customer_id, actor=actor_for(order.customer), now=now or clock.now()
    )
    if is_ready and payment.gateway_order_id is None:
        reference = new_gateway_id("order")
        Payment.objects.filter(pk=payment.pk).update(
            gateway_order_id=reference,
            gateway_call=GatewayCall.SUCCEEDED,
            next_action={"type": "razorpay_checkout", "gateway_order_id": reference, "amount": payment.amount},
        )
        payment.refresh_from_db()
    return payment


def make_gateway_payment(payment: Payment, *, status: str = AttemptStatus.CAPTURED, **fields: Any) -> GatewayPayment:
    """Return what the gateway says of one try to pay a payment; of a captured one with its fee."""
    is_captured = status == AttemptStatus.CAPTURED
    failure = GatewayError(code="BAD_REQUEST_ERROR", reason="payment_declined", source="issuer_bank")
    values: dict[str, Any] = {
        "gateway": "razorpay",
        "id": fields.pop("id", None) or new_gateway_id("pay"),
        "order_id": payment.gateway_order_id or "",
        "status": status,
        "amount": payment.amount,
        "currency": payment.currency,
        "method": "upi",
        "payer": "ga***@upi",
        "rrn": "322206890934",
        "fee_amount": payment.amount // 50 if is_captured else None,
        "fee_tax_amount": payment.amount // 327 if is_captured else None,
        "error": failure if status == AttemptStatus.FAILED else GatewayError(),
    }
    return GatewayPayment(**{**values, **fields})


def apply_payment(
    facts: GatewayPayment, *, source: Source = Source.POLL, now: datetime | None = None
) -> PaymentAttempt:
    """Apply what a gateway says."""
    return attempts.apply_gateway_payment(facts=facts, source=source, actor=SYSTEM, now=now or clock.now())


def pay(order: Any, *, now: datetime | None = None) -> PaymentAttempt:
    """Pay an order in full, which confirms it, and return the captured attempt."""
    attempt = apply_payment(make_gateway_payment(make_payment(order, now=now)), now=now)
    order.refresh_from_db()
    return attempt


def make_gateway_dispute(attempt: PaymentAttempt, *, status: str = "open", **fields: Any) -> GatewayDispute:
    """Return what the gateway says of a dispute over a whole attempt."""
    values: dict[str, Any] = {
        "gateway": attempt.gateway,
        "id": fields.pop("id", None) or new_gateway_id("disp"),
        "gateway_payment_id": attempt.gateway_payment_id,
        "status": status,
        "phase": "chargeback",
        "amount": attempt.amount,
        "amount_deducted": 0,
        "currency": attempt.currency,
        "reason_code": "fraud",
        "respond_by": clock.now() + timedelta(days=7),
        "created_at": clock.now(),
    }
    return GatewayDispute(**{**values, **fields})


def make_dispute(attempt: PaymentAttempt, **fields: Any) -> Dispute:
    """Return a dispute over an attempt, open or as the fields say."""
    facts = make_gateway_dispute(attempt, **fields)
    return dispute_updates.apply_gateway_dispute(facts=facts, source=Source.POLL, actor=SYSTEM, now=clock.now())


def make_refund(order: Any, *, is_approved: bool = False, **fields: Any) -> Refund:
    """Return a refund of all of an order, which is paid for it; the customer requested it, and finance approves it or has to."""
    if not order.paid_amount:
        pay(order)
    (refund,) = request_refunds(
        order_id=order.pk,
        **{
            "reason": "customer_request",
            "actor": actor_for(order.customer),
            "now": clock.now(),
            **fields,
        },
    )
    if is_approved:
        approver = actor_for(make_staff("finance"))
        refund = approvals.approve_refund(refund_id=refund.pk, actor=approver, now=clock.now())
    return refund


def make_settlement(**fields: Any) -> Settlement:
    """Return a transfer of the gateway to our bank, without lines: rows alone, for who tests the ways to them."""
    values: dict[str, Any] = {
        "gateway": "razorpay",
        "gateway_settlement_id": new_gateway_id("setl"),
        "utr": "1795411800vxp0rj",
        "status": "processed",
        "amount": 0,
        "settled_at": clock.now(),
    }
    return Settlement.objects.create(**{**values, **fields})


def make_settlement_lines(settlement: Settlement, count: int) -> list[SettlementLine]:
    """Return lines of a settlement, of adjustments of a rupee: rows alone, for who tests the ways to them."""
    report = SettlementImport.objects.create(
        gateway=settlement.gateway, source="csv", fingerprint=new_gateway_id("file"), requested_by="system"
    )
    return [
        SettlementLine.objects.create(
            settlement=settlement, report=report, part=1, entity_id=new_gateway_id("adj"), kind="adjustment",
            amount=100, debit=0, credit=100, reported_fee_amount=0, reported_tax_amount=0, currency="INR",
            bank_amount=100, fee_amount=-100, tax_amount=0, cleared_amount=0, held_amount=0,
        )
        for _ in range(count)
    ]  # fmt: skip


def make_exception(**fields: Any) -> ReconciliationException:
    """Return an open exception that holds no money: a row alone, for who tests the ways to it."""
    values: dict[str, Any] = {
        "gateway": "razorpay",
        "reason": "fee_mismatch",
        "entity_id": new_gateway_id("pay"),
        "expected_amount": 2782,
        "actual_amount": 2900,
        "opened_at": clock.now(),
    }
    return ReconciliationException.objects.create(**{**values, **fields})


def apply_refund(refund: Refund, *, status: str = "processed", now: datetime | None = None) -> Refund:
    """Have the gateway say how a refund went, which gives it the gateway's id."""
    refund.refresh_from_db()
    facts = GatewayRefund(
        gateway="razorpay",
        id=refund.gateway_refund_id or new_gateway_id("rfnd"),
        gateway_payment_id=refund.attempt.gateway_payment_id,
        status=status,
        amount=refund.amount,
        currency=refund.currency,
        our_refund=refund.public_id,
    )
    refund_updates.apply_gateway_refund(facts=facts, actor=SYSTEM, now=now or clock.now())
    refund.refresh_from_db()
    return refund
