"""Every invariant of payments finds the violation that it is there for, and nothing where all is well."""

import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pgtrigger
import pytest
from django.db import connection

from apps.core import audit, clock
from apps.core.events import SYSTEM
from apps.orders.models import Order
from apps.payments import services
from apps.payments.invariants import INVARIANTS
from apps.payments.models import (
    Dispute,
    LedgerTransaction,
    Payment,
    PaymentAttempt,
    Refund,
    RefundLine,
    Settlement,
    Webhook,
)
from tests.factories.orders import make_order
from tests.factories.payments import make_dispute, make_payment, pay
from tests.payments.test_webhooks import body_of, receive

pytestmark = pytest.mark.django_db


def run_sql(*statements: str) -> None:
    """Write past Django, its triggers and its constraints."""
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def violated() -> list[str]:
    report = audit.run(now=clock.now(), only=[invariant.id for invariant in INVARIANTS])
    assert [(result.invariant.id, result.error) for result in report.results if result.error] == []
    return [result.invariant.id for result in report.violated]


@pytest.fixture
def world(shop: Any, owner: Any) -> Any:
    """A paid order by webhook, an open payment, and a checkpoint: nothing is violated."""

    class World:
        paid = make_order(owner, quantity=2)
        waiting = make_order(owner)
        refund: Any = None

    payment = make_payment(World.paid)
    webhook = receive(body_of(payment))
    services.process_webhook(webhook_id=webhook.pk, now=clock.now())
    make_payment(World.waiting)
    line = World.paid.lines.get()
    (World.refund,) = services.request_refund(
        order_id=World.paid.pk,
        lines=[services.UnitsBack(line.pk, 1)],
        reason="other",
        decides=True,
        actor=SYSTEM,
        now=clock.now(),
    )
    services.checkpoint_balances(now=clock.now())
    assert violated() == []
    connection.check_constraints()  # a table with pending triggers cannot be altered
    return World


def _attempt_of(world: Any) -> PaymentAttempt:
    return PaymentAttempt.objects.get(payment__order=world.paid)


def _update(model: Any, where: dict[str, Any], **values: Any) -> Callable[[Any], None]:
    def plant(_: Any) -> None:
        with pgtrigger.ignore():
            assert model.objects.filter(**where).update(**values)

    return plant


def _post_by_hand(*entries: tuple[str, int], **fields: Any) -> Callable[[Any], None]:
    def plant(world: Any) -> None:
        with pgtrigger.ignore():
            posting = LedgerTransaction.objects.create(
                **{
                    "source_type": "test", "source_id": uuid4(), "kind": "test", "description": "by hand",
                    "occurred_at": clock.now(), "order_id": world.paid.pk, **fields,
                }
            )  # fmt: skip
            for code, amount in entries:
                run_sql(
                    "INSERT INTO payments_ledgerentry (transaction_id, account_id, amount, currency)"
                    f" VALUES ('{posting.pk}', '{code}', {amount}, 'INR')"
                )
            # Lets the deferred triggers pass while they are ignored.
            connection.check_constraints()

    return plant


def _duplicate_gateway_order(world: Any) -> None:
    run_sql("ALTER TABLE payments_payment DROP CONSTRAINT payments_payment_gateway_order_id_key")
    first = Payment.objects.get(order=world.paid)
    Payment.objects.filter(order=world.waiting).update(gateway_order_id=first.gateway_order_id)


def _second_live_payment(world: Any) -> None:
    run_sql("DROP INDEX one_live_payment_per_order")
    live = Payment.objects.get(order=world.waiting)
    live.pk, live.sequence, live.gateway_order_id, live._state.adding = uuid4(), 2, None, True
    live.save(force_insert=True)


def _uncapture_the_books(world: Any) -> None:
    # A capture in the books whose attempt is gone back; its order and payment are put back with it.
    with pgtrigger.ignore():
        PaymentAttempt.objects.filter(payment__order=world.paid).update(status="authorized")


def _paid_for_more_than_the_total(world: Any) -> None:
    with pgtrigger.ignore():
        attempt = PaymentAttempt.objects.get(payment__order=world.paid)
        attempt.pk, attempt.gateway_payment_id, attempt._state.adding = uuid4(), "pay_twice", True
        attempt.save(force_insert=True)


def _posted_twice(world: Any) -> None:
    run_sql("ALTER TABLE payments_ledgertransaction DROP CONSTRAINT one_posting_per_fact")
    posting = LedgerTransaction.objects.get(order_id=world.paid.pk, kind="capture")
    _post_by_hand(("bank", 5), ("round_off", -5), source_id=posting.source_id, source_type=posting.source_type)(world)
    _post_by_hand(("bank", 5), ("round_off", -5), source_id=posting.source_id, source_type=posting.source_type)(world)


def _old_money_in_suspense(world: Any) -> None:
    _post_by_hand(("bank", 5), ("suspense", -5))(world)
    long_ago = (clock.now() - timedelta(days=2)).isoformat()
    with pgtrigger.ignore():
        run_sql(f"UPDATE payments_ledgertransaction SET created_at = '{long_ago}' WHERE kind = 'test'")


def _webhook(**values: Any) -> Callable[[Any], None]:
    return _update(Webhook, {}, **values)


def _settled(world: Any) -> bool:
    """Settle the paid order's payment by a report of one line, with nothing amiss."""
    attempt = PaymentAttempt.objects.get(payment__order=world.paid)
    fee, at = attempt.fee_amount or 0, int(clock.now().timestamp())
    report = (
        "entity_id,type,debit,credit,amount,fee,tax,settled_at,settlement_id,settlement_utr\n"
        f"{attempt.gateway_payment_id},payment,0,{attempt.amount - fee},{attempt.amount},{fee},"
        f"{attempt.fee_tax_amount or 0},{at},setl_00000000000001,U1\n"
    )
    services.import_settlement_file(
        stream=io.BytesIO(report.encode()), name="report.csv", actor=SYSTEM, now=clock.now()
    )
    assert violated() == []
    connection.check_constraints()
    return True


def _line(world: Any, change: str) -> None:
    _settled(world)
    with pgtrigger.ignore():
        run_sql(f"UPDATE payments_settlementline SET {change}")


_CAPTURED = {"status": "captured"}
_LONG_AGO = timedelta(minutes=16)
_VIOLATIONS: dict[str, tuple[Callable[[Any], None], set[str]]] = {
    "INV-14": (_update(PaymentAttempt, _CAPTURED, authorized_at=None), {"INV-14"}),
    "INV-14b": (_update(Refund, {}, amount=10**9), {"INV-14b", "INV-25c"}),
    "INV-14c": (_update(RefundLine, {}, quantity=3), {"INV-14c"}),
    "INV-18d": (lambda world: _update(Refund, {}, next_check_at=clock.now() - _LONG_AGO)(world), {"INV-18d"}),
    "INV-20c": (lambda world: _update(Order, {"pk": world.paid.pk}, refunded_amount=1)(world), {"INV-20c"}),
    "INV-25c": (_update(Refund, {}, status="failed"), {"INV-25c"}),
    "INV-20d": (_update(Refund, {}, approved_by="user:cus_a"), {"INV-20d"}),
    "INV-15": (_duplicate_gateway_order, {"INV-15"}),
    "INV-16": (_update(PaymentAttempt, _CAPTURED, currency="USD"), {"INV-14b", "INV-16", "INV-20b", "INV-25"}),
    "INV-16b": (_update(Payment, {"status": "requires_payment"}, amount=10**9), {"INV-16b"}),
    "INV-17": (_uncapture_the_books, {"INV-14b", "INV-17", "INV-17b", "INV-20b", "INV-25", "INV-26"}),
    "INV-17b": (_update(Payment, {"status": "succeeded"}, status="cancelled"), {"INV-17b"}),
    "INV-18": (
        lambda world: _update(Payment, {"order": world.waiting}, next_check_at=clock.now() - _LONG_AGO)(world), {"INV-18"},
    ),
    "INV-18b": (_second_live_payment, {"INV-18b"}),
    "INV-18c": (lambda world: _update(Order, {"pk": world.waiting.pk}, payment_live_until=None)(world), {"INV-18c"}),
    "INV-19": (lambda world: _update(Order, {"pk": world.paid.pk}, status="expired")(world), {"INV-19"}),
    "INV-20": (_paid_for_more_than_the_total, {"INV-17", "INV-20", "INV-20b", "INV-25", "INV-26", "INV-42"}),
    "INV-20b": (lambda world: _update(Order, {"pk": world.paid.pk}, paid_amount=1)(world), {"INV-20b"}),
    "INV-22": (_post_by_hand(("bank", 5), ("round_off", -4)), {"INV-22", "INV-23"}),
    "INV-23": (_post_by_hand(("bank", 5)), {"INV-22", "INV-23"}),
    "INV-24": (
        lambda world: [pgtrigger.ignore()(run_sql)("UPDATE payments_balancecheckpoint SET balance = 7 WHERE id ="
                                                   " (SELECT min(id) FROM payments_balancecheckpoint)")][0], {"INV-24"},
    ),
    "INV-25": (_post_by_hand(("gateway_receivable:razorpay", 5), ("bank", -5), kind="capture"), {"INV-25"}),
    "INV-25b": (_posted_twice, {"INV-25b", "INV-26"}),
    "INV-28": (_post_by_hand(("customer_advances", 10**9), ("bank", -(10**9))), {"INV-28"}),
    "INV-28b": (_old_money_in_suspense, {"INV-28b"}),
    "INV-41": (
        lambda world: _webhook(processed_at=None, outcome="", received_at=clock.now() - timedelta(minutes=3))(world),
        {"INV-41", "INV-42"},
    ),
    "INV-41b": (_webhook(body=b"{}"), {"INV-41b"}),
    "INV-41c": (_webhook(outcome="ignored"), {"INV-41c", "INV-42"}),
    "INV-42": (_webhook(metadata={}), {"INV-42"}),
    "INV-29": (
        lambda world: _update(Dispute, {"pk": make_dispute(_attempt_of(world)).pk}, amount_deducted=5)(world), {"INV-29"},
    ),
    "INV-29b": (
        lambda world: _update(Dispute, {"pk": make_dispute(_attempt_of(world)).pk}, next_check_at=None)(world), {"INV-29b"},
    ),
    "INV-21": (lambda world: _line(world, "amount = amount + 1"), {"INV-21"}),
    "INV-21b": (lambda world: _settled(world) and _update(Settlement, {}, line_count=2)(world), {"INV-21b"}),
    "INV-21c": (
        lambda world: _settled(world) and _update(Settlement, {}, amount=1, updated_at=clock.now() - timedelta(hours=2))(world),
        {"INV-21c"},
    ),
    "INV-26": (
        _post_by_hand(("bank", 5), ("customer_advances", -5), source_type="payments.refund", kind="test"), {"INV-26"},
    ),
    "INV-26b": (
        lambda world: _line(world, "bank_amount = bank_amount - 1, fee_amount = fee_amount + 1"), {"INV-21b", "INV-26b"},
    ),
    "INV-28c": (
        _post_by_hand(("suspense", 5), ("bank", -5), source_type="payments.reconciliationexception"), {"INV-28c"},
    ),
}  # fmt: skip


def test_every_invariant_has_its_violation() -> None:
    assert {invariant.id for invariant in INVARIANTS} == set(_VIOLATIONS)
    assert len({invariant.name for invariant in INVARIANTS}) == len(INVARIANTS)


@pytest.mark.parametrize("invariant", _VIOLATIONS)
def test_a_planted_violation_is_found(world: Any, invariant: str) -> None:
    plant, expected = _VIOLATIONS[invariant]
    plant(world)
    found = set(violated())
    assert invariant in found
    assert found == expected


def test_paying_in_other_ways_violates_nothing(shop: Any, owner: Any) -> None:
    pay(make_order(owner))
    assert violated() == []
