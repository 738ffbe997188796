"""Webhooks of a payment and its refund in every order in which they can come: one state at the end, and one set of postings."""

import json
import sys
from collections import Counter
from itertools import permutations
from typing import Any

import pytest
from django.db import connection, transaction

from apps.catalog.models import StockLevel
from apps.core import clock
from apps.core.events import SYSTEM
from apps.ledger import selectors as ledger
from apps.ledger.models import LedgerTransaction
from apps.payments.models import Payment, PaymentAttempt, Refund, Webhook
from apps.payments.services import webhooks as webhook_services
from apps.payments.services.refunds import requests
from tests.factories.payments import apply_payment, make_gateway_payment, make_payment
from tests.support.stored_rows import alike
from tests.support.webhooks import receive

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(600)]

_PAYMENT_ID, _REFUND_ID = "pay_NQxlPq2WmR8sTz", "rfnd_NQxlPq2WmR8sTz"
#: What a webhook says of the payment, and of the refund if it tells of one.
_SAYS: dict[str, tuple[str, str | None]] = {
    "payment.authorized": ("authorized", None),
    "payment.captured": ("captured", None),
    "order.paid": ("captured", None),
    "refund.created": ("refunded", "pending"),
    "refund.speed_changed": ("refunded", "pending"),
    "refund.processed": ("refunded", "processed"),
    "refund.failed": ("captured", "failed"),
}
BEGUN = ("payment.authorized", "payment.captured", "order.paid", "refund.created", "refund.speed_changed")


def _body(payment: Payment, event: str, *, our_refund: str) -> bytes:
    """Return a webhook as Razorpay sends it."""
    status, refund_status = _SAYS[event]
    is_captured = status != "authorized"
    told = {
        "id": _PAYMENT_ID, "entity": "payment", "amount": payment.amount, "currency": "INR", "status": status,
        "order_id": payment.gateway_order_id, "method": "upi", "vpa": "gaurav.kumar@upi", "notes": [],
        "captured": is_captured, "fee": 2782 if is_captured else None, "tax": 424 if is_captured else None,
    }  # fmt: skip
    payload: dict[str, Any] = {"payment": {"entity": told}}
    if event == "order.paid":
        order = {"id": payment.gateway_order_id, "receipt": payment.public_id, "notes": []}
        payload["order"] = {"entity": order}
    if refund_status is not None:
        is_done = refund_status == "processed"
        refund = {
            "id": _REFUND_ID, "payment_id": _PAYMENT_ID, "amount": payment.amount, "currency": "INR",
            "status": refund_status, "speed_processed": "normal", "notes": {"refund": our_refund} if our_refund else [],
            "acquirer_data": {"arn": "10000000000000" if is_done else None},
        }  # fmt: skip
        payload["refund"] = {"entity": refund}
    return json.dumps({"entity": "event", "event": event, "payload": payload}).encode()


class Ends(Counter[tuple[Any, ...]]):
    """
    Where everything stands after the webhooks have come, and in how many of their orders it stands there.

    Every order is taken to its end, but the common beginning of two only once, and so is their common rest: where two
    beginnings lead to rows that differ in ids, keys, instants and versions alone, what follows is the same for both.
    """

    def __init__(self, webhooks: list[Webhook]) -> None:
        super().__init__()
        self.steps = 0
        self._seen: dict[tuple[frozenset[Any], str], Counter[tuple[Any, ...]]] = {}
        self.update(self._ends(webhooks))

    def _ends(self, webhooks: list[Webhook]) -> Counter[tuple[Any, ...]]:
        here = frozenset(webhook.pk for webhook in webhooks), alike()
        if here not in self._seen:
            self._seen[here] = self._work_out(webhooks)
        return self._seen[here]

    def _work_out(self, webhooks: list[Webhook]) -> Counter[tuple[Any, ...]]:
        if not webhooks:
            connection.check_constraints()
            return Counter([_state()])
        ends: Counter[tuple[Any, ...]] = Counter()
        for webhook in webhooks:
            self.steps += 1
            with transaction.atomic():
                webhook_services.process_webhook(webhook_id=webhook.pk, now=clock.now())
                ends.update(self._ends([one for one in webhooks if one is not webhook]))
                transaction.set_rollback(True)
        return ends


def _state() -> tuple[Any, ...]:
    accounts = ("refunds_payable", "customer_advances", "gateway_receivable:razorpay", "suspense")
    return (
        *Refund.objects.values_list("number", "status", "amount", "gateway_refund_id", "speed_processed", "arn"),
        *PaymentAttempt.objects.values_list("status", "amount", "fee_amount", "fee_tax_amount", "review_reason"),
        *Payment.objects.values_list("status", "order__status", "order__paid_amount", "order__refunded_amount"),
        *StockLevel.objects.values_list("on_hand_milli", "reserved_milli"),
        tuple(sorted(LedgerTransaction.objects.values_list("kind", flat=True))),
        tuple(ledger.balance_of(code) for code in accounts),
        set(Webhook.objects.values_list("outcome", flat=True)) == {"processed"},
    )


@pytest.mark.parametrize("end", ["refund.processed", "refund.failed"])
def test_webhooks_in_any_order_end_in_one_state_after_our_refund(order: Any, end: str) -> None:
    payment = make_payment(order)
    apply_payment(make_gateway_payment(payment, id=_PAYMENT_ID, fee_amount=2782, fee_tax_amount=424))
    (refund,) = requests.request_full_refund(order_id=order.pk, reason="other", actor=SYSTEM, now=clock.now())
    kinds = [kind for kind in (*BEGUN, end) if kind != "payment.authorized"]
    ends = Ends([receive(_body(payment, kind, our_refund=refund.public_id)) for kind in kinds])

    assert list(ends.values()) == [len(list(permutations(kinds)))] == [120]
    (state,) = ends
    total, status = order.total_amount, end.removeprefix("refund.")
    arn, gone = ("10000000000000", total) if status == "processed" else ("", 0)
    booked = ("capture", "refund", "refund_due") if gone else ("capture", "refund_due", "refund_reversal")
    assert state == (
        (refund.number, status, total, _REFUND_ID, "normal", arn),
        ("captured", total, 2782, 424, ""),
        ("succeeded", "confirmed", total, gone),
        (10_000, 1_000),
        booked,
        (0, gone - total, total - gone, 0),
        True,
    )


def test_webhooks_in_any_order_end_in_one_state_after_a_refund_by_the_gateway(order: Any) -> None:
    payment = make_payment(order)
    kinds = (*BEGUN, "refund.processed")
    ends = Ends([receive(_body(payment, kind, our_refund="")) for kind in kinds])

    sys.stdout.write(
        f"{ends.total()} orders of {len(kinds)} webhooks, {len(ends)} state at the end, {ends.steps} steps\n"
    )
    assert list(ends.values()) == [720]
    (state,) = ends
    total = order.total_amount
    assert state == (
        (f"{order.number}-R1", "processed", total, _REFUND_ID, "normal", "10000000000000"),
        ("captured", total, 2782, 424, ""),
        ("succeeded", "confirmed", total, total),
        (10_000, 1_000),
        ("capture", "refund", "refund_due"),
        (0, 0, 0, 0),
        True,
    )
