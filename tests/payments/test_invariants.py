"""Every invariant of payments finds the violation that it is there for, and nothing where all is well."""

import io
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pgtrigger
import pytest
from django.db import connection, transaction

from apps.accounts.models import User
from apps.core import audit, clock
from apps.core.events import SYSTEM
from apps.core.models import Event
from apps.ledger.models import Account, BalanceCheckpoint, LedgerTransaction, ReconciliationException
from apps.ledger.services import checkpoints
from apps.orders.models import Order
from apps.payments.models import Dispute, Payment, PaymentAttempt, Refund, RefundLine, Webhook
from apps.payments.services import payment_acceptance, webhooks
from apps.payments.services.refunds import amounts, requests
from apps.settlements.facts import FeeTerms
from apps.settlements.models import (
    BankLine,
    FeeCheck,
    FeeRate,
    Settlement,
    SettlementImport,
    SettlementLine,
    SettlementReportRow,
)
from apps.settlements.services import fee_rates, matching, reconciliation, report_imports
from tests.factories.accounts import make_user
from tests.factories.orders import actor_for, make_order
from tests.factories.payments import (
    apply_payment,
    apply_refund,
    make_dispute,
    make_exception,
    make_gateway_payment,
    make_payment,
    make_refund,
    make_settlement,
    pay,
)
from tests.support.bank_statements import import_statement, statement
from tests.support.events import record_event
from tests.support.money_invariants import INVARIANTS
from tests.support.settlements import as_csv, import_csv, line_of
from tests.support.webhooks import body_of, receive

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("recent_audits_find_the_same")]


def run_sql(*statements: str) -> None:
    """Write past Django, its triggers and its constraints."""
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def violated() -> list[str]:
    report = audit.run(now=clock.now(), only=[invariant.id for invariant in INVARIANTS])
    assert [(result.invariant.id, result.error) for result in report.results if result.error] == []
    return [result.invariant.id for result in report.failing]


@pytest.fixture
def world(shop: Any, owner: Any) -> Any:
    """A paid order by webhook, an open payment, and a checkpoint: nothing is violated."""

    class World:
        paid = make_order(owner, quantity=2)
        waiting = make_order(owner)
        refund: Any = None

    payment = make_payment(World.paid)
    webhook = receive(body_of(payment))
    webhooks.process_webhook(webhook_id=webhook.pk, now=clock.now())
    make_payment(World.waiting)
    line = World.paid.lines.get()
    (World.refund,) = requests.request_refund_by_lines(
        order_id=World.paid.pk,
        lines=[amounts.RefundLineInput(line.pk, 1)],
        reason="other",
        actor=SYSTEM,
        now=clock.now(),
    )
    checkpoints.checkpoint_balances(now=clock.now())
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


def _post_directly(*entries: tuple[str, int], **fields: Any) -> Callable[[Any], None]:
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
                    "INSERT INTO ledger_ledgerentry (transaction_id, account_id, amount, currency)"
                    f" VALUES ('{posting.pk}', '{code}', {amount}, 'INR')"
                )
            # Lets the deferred triggers pass while they are ignored.
            connection.check_constraints()

    return plant


def _duplicate_gateway_order(world: Any) -> None:
    run_sql("ALTER TABLE payments_payment DROP CONSTRAINT payments_payment_gateway_order_id_key")
    first = Payment.objects.get(order=world.paid)
    Payment.objects.filter(order=world.waiting).update(gateway_order_id=first.gateway_order_id)


def _link_that_stays_open(world: Any) -> None:
    given_up = {
        "status": "cancelled",
        "channel": "payment_link",
        "gateway_link_id": "plink_1",
        "next_check_at": None,
        "next_action": {},
    }
    _update(Payment, {"order": world.waiting}, **given_up)(world)
    _update(Order, {"pk": world.waiting.pk}, payment_live_until=None)(world)


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
    run_sql("ALTER TABLE ledger_ledgertransaction DROP CONSTRAINT one_posting_per_fact")
    posting = LedgerTransaction.objects.get(order_id=world.paid.pk, kind="capture")
    _post_directly(("bank", 5), ("round_off", -5), source_id=posting.source_id, source_type=posting.source_type)(world)
    _post_directly(("bank", 5), ("round_off", -5), source_id=posting.source_id, source_type=posting.source_type)(world)


def _old_money_in_suspense(world: Any) -> None:
    _post_directly(("round_off", 5), ("suspense", -5))(world)
    _post_directly(("bank", 5), ("input_gst", -5))(world)
    long_ago = (clock.now() - timedelta(days=2)).isoformat()
    with pgtrigger.ignore():
        run_sql(f"UPDATE ledger_ledgertransaction SET created_at = '{long_ago}' WHERE kind = 'test'")


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
    report_imports.import_settlement_file(
        stream=io.BytesIO(report.encode()), name="report.csv", actor=SYSTEM, now=clock.now()
    )
    assert violated() == []
    connection.check_constraints()
    return True


def _banked(world: Any) -> bool:
    """Settle the paid order's payment, and import a bank's statement with its line and one of a rent."""
    attempt = _attempt_of(world)
    import_csv(as_csv(line_of(attempt, settlement_utr="UTR1000001")))
    amount = Settlement.objects.get().lines_amount
    import_statement(statement((amount, "NEFT/UTR1000001"), (-50_00, "RENT")))
    assert violated() == []
    connection.check_constraints()
    return True


def _line(world: Any, change: str) -> None:
    _settled(world)
    with pgtrigger.ignore():
        run_sql(f"UPDATE settlements_settlementline SET {change}")


def _one_transfer_to_two_customers(_: Any) -> None:
    other = make_order(make_user())
    pay(other)
    requests.request_full_refund(order_id=other.pk, reason="other", actor=SYSTEM, now=clock.now())
    assert violated() == []
    with pgtrigger.ignore():
        assert Refund.objects.update(transfer_reference="N 1") == 2


def _unsettled_capture(world: Any) -> None:
    long_ago = clock.now() - timedelta(days=12)
    _update(PaymentAttempt, _CAPTURED, authorized_at=long_ago, captured_at=long_ago)(world)


def _adjustment(world: Any, change: str) -> None:
    """Settle the payment of the world and a debit of ₹5.00 about nothing of ours, then change the line of that."""
    _settled(world)
    report = (
        "entity_id,type,debit,credit,amount,fee,tax,settled_at,settlement_id,settlement_utr\n"
        f"adj_00000000000009,adjustment,500,0,500,0,0,{int(clock.now().timestamp())},setl_00000000000009,U9\n"
    )
    report_imports.import_settlement_file(
        stream=io.BytesIO(report.encode()), name="a.csv", actor=SYSTEM, now=clock.now()
    )
    assert violated() == []
    with pgtrigger.ignore():
        run_sql(f"UPDATE settlements_settlementline SET {change} WHERE entity_id = 'adj_00000000000009'")


def _abandoned_import(world: Any) -> None:
    reconciliation.request_settlement_import(day=clock.ist_date(clock.now()), actor=SYSTEM, now=clock.now())
    SettlementImport.objects.update(updated_at=clock.now() - timedelta(hours=2))


def _booked_though_rejected(world: Any) -> None:
    make_exception(
        reason="refund_exceeds_payment", entity_id="rfnd_1", expected_amount=0, actual_amount=world.refund.amount
    )
    _update(Refund, {"pk": world.refund.pk}, gateway_refund_id="rfnd_1")(world)


def _processed_refund(world: Any) -> None:
    # In its history alone: the row itself cannot go back.
    with transaction.atomic(), pgtrigger.ignore():
        for status in ("processed", "pending"):
            record_event("payments.refund.updated", subject=world.refund, actor=SYSTEM, changes={"status": status})


def _duplicate_settlement(world: Any) -> None:
    run_sql("ALTER TABLE settlements_settlement DROP CONSTRAINT one_row_per_settlement")
    for _ in range(2):
        make_settlement(gateway_settlement_id="setl_00000000000001")


def _under_review(world: Any) -> PaymentAttempt:
    """Money of another amount than was requested has come for the waiting order, and nobody has decided about it."""
    attempt = apply_payment(
        make_gateway_payment(Payment.objects.get(order=world.waiting), amount=world.waiting.total_amount - 1_000)
    )
    assert violated() == []
    connection.check_constraints()
    return attempt


def _review_without_event(world: Any) -> None:
    attempt = _under_review(world)
    earlier = clock.now() - timedelta(minutes=61)
    _update(PaymentAttempt, {"pk": attempt.pk}, authorized_at=earlier, captured_at=earlier)(world)
    assert violated() == []
    _update(Event, {"type": "payments.attempt.review_opened", "subject_id": attempt.pk}, changes={})(world)


def _accepted(world: Any) -> PaymentAttempt:
    """The same, accepted: its payer had an offer."""
    attempt = payment_acceptance.accept_attempt(
        attempt_id=_under_review(world).pk, reason="other", actor=SYSTEM, now=clock.now()
    )
    assert violated() == []
    connection.check_constraints()
    _update(PaymentAttempt, {"pk": attempt.pk}, difference_reason="payer_fee")(world)
    assert violated() == ["INV-25f"]
    _update(PaymentAttempt, {"pk": attempt.pk}, difference_reason="other")(world)
    _update(PaymentAttempt, {"pk": attempt.pk}, accepted_amount=attempt.counted_amount + 1)(world)
    assert "INV-25f" in violated()
    _update(PaymentAttempt, {"pk": attempt.pk}, accepted_amount=attempt.counted_amount)(world)
    return attempt


def _expired_under_review(world: Any) -> None:
    before = clock.now() - timedelta(hours=1)
    _update(PaymentAttempt, {"pk": _under_review(world).pk}, authorized_at=before, captured_at=before)(world)
    _update(Order, {"pk": world.waiting.pk}, expired_at=clock.now())(world)


def _flagged_for_nothing(world: Any) -> None:
    _update(PaymentAttempt, _CAPTURED, review_reason="amount_mismatch", review_opened_at=clock.now())(world)


def _asked_for_what_is_paid(world: Any) -> None:
    payment = Payment.objects.get(order=world.waiting)
    apply_payment(make_gateway_payment(payment, status="created"))
    assert violated() == []
    _update(Payment, {"pk": payment.pk}, status="requires_payment")(world)
    _update(Order, {"pk": world.waiting.pk}, is_payment_processing=False)(world)


def _explained_twice(world: Any) -> None:
    attempt = _attempt_of(world)
    for reason, days in (("missing_line", 2), ("receivable_overdue", 1)):
        make_exception(
            reason=reason,
            entity_id=attempt.gateway_payment_id,
            attempt_id=attempt.pk,
            opened_at=clock.now() - timedelta(days=days),
        )


def _nothing_to_decide(world: Any) -> None:
    payment = Payment.objects.get(order=world.waiting)
    apply_payment(make_gateway_payment(payment))
    surplus = apply_payment(make_gateway_payment(payment))
    apply_refund(Refund.objects.get(attempt=surplus))
    assert violated() == []
    _update(PaymentAttempt, {"pk": surplus.pk}, review_closed_at=None)(world)


def _entries_without_a_checkpoint(_: Any) -> None:
    with pgtrigger.ignore():
        BalanceCheckpoint.objects.filter(account_id="customer_advances").delete()
        LedgerTransaction.objects.update(created_at=clock.now() - timedelta(hours=49))


def _event_of_another_status(world: Any) -> None:
    _update(Event, {"type": "payments.payment.succeeded"}, type="payments.payment.succeeded_late")(world)


def _reason_in_two_places(world: Any) -> None:
    with transaction.atomic():
        record_event(
            "payments.refund.cancelled",
            subject=world.refund,
            actor=SYSTEM,
            changes={"personal_fields": ["note"]},
            reason="worn",
        )


def _open_for_no_time(world: Any) -> None:
    payment = Payment.objects.get(order=world.paid)
    _update(Payment, {"pk": payment.pk}, live_until=payment.created_at)(world)


def _rows_that_stay(world: Any) -> None:
    _settled(world)
    SettlementReportRow.objects.create(
        id=uuid4(),
        report=SettlementImport.objects.get(),
        position=1,
        amount=1,
        debit=0,
        credit=1,
        fee_amount=0,
        tax_amount=0,
    )


def _forgotten_in_suspense(world: Any) -> None:
    """Have the bank's other line be of the settlement, which no line has brought."""
    _banked(world)
    settlement = Settlement.objects.get()
    long_ago = clock.now() - timedelta(hours=2)
    _update(Settlement, {}, transfer_status="in_transit", created_at=long_ago)(world)
    _update(BankLine, {"kind": "suspense"}, amount=settlement.amount, description="UTR1000001", created_at=long_ago)(
        world
    )


def _missed_too_early(world: Any) -> None:
    _settled(world)
    make_exception(reason="transfer_overdue", settlement_id=Settlement.objects.get().pk)


_CAPTURED = {"status": "captured"}
_LONG_AGO = timedelta(minutes=16)


def _judged(**values: Any) -> Callable[[Any], None]:
    """Return what settles the paid order under a rate card that its fee is above, and then changes its check."""

    def plant(world: Any) -> None:
        terms = FeeTerms(method=_attempt_of(world).method, valid_from=date(2020, 1, 1), rate_basis_points=1)
        fee_rates.add_fee_rate(terms=terms, actor=SYSTEM, now=clock.now())
        import_csv(as_csv(line_of(_attempt_of(world))))
        with pgtrigger.ignore():
            FeeCheck.objects.update(**values)

    return plant


def _never_judged(world: Any) -> None:
    _judged(base_amount=1)(world)
    with pgtrigger.ignore():
        FeeCheck.objects.all().delete()
        ReconciliationException.objects.all().delete()
        FeeRate.objects.update(created_at=clock.now() - timedelta(days=9))
        SettlementLine.objects.update(created_at=clock.now() - timedelta(days=8))


_VIOLATIONS: dict[str, tuple[Callable[[Any], None], set[str]]] = {
    "INV-50c": (
        lambda world: _update(
            User, {"pk": world.paid.customer_id}, erased_at=clock.now() - _LONG_AGO, phone=None, email=None, name="",
            is_active=False,
        )(world),
        {"INV-50c"},
    ),
    "INV-50f": (
        lambda world: _update(
            Event, {"type": "payments.refund.requested"}, reason="My new number is 98111 22255",
            actor=str(actor_for(world.paid.customer)),
        )(world),
        {"INV-50f"},
    ),
    "INV-14": (_update(PaymentAttempt, _CAPTURED, authorized_at=None), {"INV-14"}),
    "INV-14b": (_update(Refund, {}, amount=10**9), {"INV-14b", "INV-25c"}),
    "INV-14c": (_update(RefundLine, {}, quantity_milli=3_000), {"INV-14c"}),
    "INV-14e": (
        lambda world: _update(Refund, {}, line_amounts={str(world.paid.lines.get().pk): 99_801})(world), {"INV-14e"},
    ),
    "INV-14f": (
        lambda world: _update(
            Refund, {}, approved_by=str(actor_for(world.paid.customer)), approved_at=clock.now()
        )(world),
        {"INV-14f"},
    ),
    "INV-19b": (lambda world: _update(Refund, {}, amount=world.paid.total_amount - 50)(world), {"INV-19b", "INV-25c"}),
    "INV-18d": (lambda world: _update(Refund, {}, next_check_at=clock.now() - _LONG_AGO)(world), {"INV-18d"}),
    "INV-20c": (lambda world: _update(Order, {"pk": world.paid.pk}, refunded_amount=1)(world), {"INV-20c"}),
    "INV-25c": (_update(Refund, {}, status="failed"), {"INV-25c"}),
    "INV-20d": (_update(Refund, {}, approved_by="user:cus_a"), {"INV-20d"}),
    "INV-20g": (_one_transfer_to_two_customers, {"INV-20g"}),
    "INV-15": (_duplicate_gateway_order, {"INV-15"}),
    "INV-15b": (
        lambda world: _update(Payment, {"order": world.waiting}, gateway_link_id="plink_1")(world), {"INV-15b"},
    ),
    "INV-18g": (_link_that_stays_open, {"INV-18g"}),
    "INV-18k": (
        lambda world: _update(
            Payment, {"order": world.waiting}, channel="payment_link", next_action={}, link_closed_at=clock.now() - timedelta(hours=2)
        )(world),
        {"INV-18k"},
    ),
    "INV-26l": (_explained_twice, {"INV-26l"}),
    "INV-26m": (lambda _: make_exception(reason="sum_mismatch") and None, {"INV-26m"}),
    "INV-20i": (_nothing_to_decide, {"INV-20i"}),
    "INV-16e": (_flagged_for_nothing, {"INV-16c", "INV-16e", "INV-17b", "INV-20b"}),
    "INV-17d": (_asked_for_what_is_paid, {"INV-17d"}),
    "INV-21f": (_rows_that_stay, {"INV-21f"}),
    "INV-26j": (_forgotten_in_suspense, {"INV-26g", "INV-26h", "INV-26i", "INV-26j"}),
    "INV-26k": (_missed_too_early, {"INV-26k"}),
    "INV-16": (_update(PaymentAttempt, _CAPTURED, currency="USD"), {"INV-14b", "INV-16", "INV-20b", "INV-25", "INV-26", "INV-26c"}),
    "INV-16b": (_update(Payment, {"status": "requires_payment"}, amount=10**9), {"INV-16b"}),
    "INV-17": (_uncapture_the_books, {"INV-14b", "INV-17", "INV-17b", "INV-20b", "INV-25", "INV-25e", "INV-26", "INV-26c", "INV-26p"}),
    "INV-17b": (_update(Payment, {"status": "succeeded"}, status="cancelled"), {"INV-17b"}),
    "INV-18": (
        lambda world: _update(Payment, {"order": world.waiting}, next_check_at=clock.now() - _LONG_AGO)(world), {"INV-18"},
    ),
    "INV-18b": (_second_live_payment, {"INV-18b"}),
    "INV-18c": (lambda world: _update(Order, {"pk": world.waiting.pk}, payment_live_until=None)(world), {"INV-18c"}),
    "INV-18j": (
        lambda world: _update(Order, {"pk": world.waiting.pk}, is_payment_processing=True)(world), {"INV-18j"},
    ),
    "INV-19": (lambda world: _update(Order, {"pk": world.paid.pk}, status="expired")(world), {"INV-19"}),
    "INV-20": (_paid_for_more_than_the_total, {"INV-17", "INV-20", "INV-20b", "INV-25", "INV-26", "INV-26c", "INV-26p", "INV-42"}),
    "INV-20b": (lambda world: _update(Order, {"pk": world.paid.pk}, paid_amount=1)(world), {"INV-20b"}),
    "INV-22": (_post_directly(("bank", 5), ("round_off", -4)), {"INV-22", "INV-23", "INV-25e", "INV-26", "INV-26h"}),
    "INV-23": (_post_directly(("bank", 5)), {"INV-22", "INV-23", "INV-25e", "INV-26", "INV-26h"}),
    "INV-24": (
        lambda world: [pgtrigger.ignore()(run_sql)("UPDATE ledger_balancecheckpoint SET balance = 7 WHERE id ="
                                                   " (SELECT min(id) FROM ledger_balancecheckpoint)")][0], {"INV-24"},
    ),
    "INV-24b": (_entries_without_a_checkpoint, {"INV-24b"}),
    "INV-22b": (_update(Account, {"code": "bank"}, kind="income"), {"INV-22b"}),
    "INV-37c": (_event_of_another_status, {"INV-37c"}),
    "INV-14h": (_reason_in_two_places, {"INV-14h"}),
    "INV-18l": (_open_for_no_time, {"INV-18l"}),
    "INV-18m": (lambda world: _update(Payment, {"order": world.waiting}, next_action={})(world), {"INV-18m"}),
    "INV-25": (
        _post_directly(("gateway_receivable:razorpay", 5), ("bank", -5), kind="capture"),
        {"INV-25", "INV-25e", "INV-26c", "INV-26q"},
    ),
    "INV-25b": (_posted_twice, {"INV-25b", "INV-25e", "INV-26", "INV-26h"}),
    "INV-25e": (_post_directly(("round_off", 5), ("input_gst", -5), source_type="payments.dispute"), {"INV-25e"}),
    "INV-28": (
        _post_directly(("refunds_payable", 10**9), ("round_off", -(10**9)), source_type="invoicing.invoice", kind="invoice"),
        {"INV-28"},
    ),
    "INV-28b": (_old_money_in_suspense, {"INV-24b", "INV-25e", "INV-26h", "INV-28b"}),
    "INV-41": (
        lambda world: _webhook(processed_at=None, outcome="", received_at=clock.now() - timedelta(minutes=3))(world),
        {"INV-41", "INV-42"},
    ),
    "INV-41b": (_webhook(body=b"{}"), {"INV-41b"}),
    "INV-41c": (_webhook(outcome="ignored"), {"INV-41c", "INV-42"}),
    "INV-42": (_webhook(metadata={}), {"INV-42"}),
    "INV-18i": (_webhook(attempts=7), {"INV-18i"}),
    "INV-42b": (_booked_though_rejected, {"INV-42b"}),
    "INV-42c": (
        lambda world: make_exception(webhook_id=Webhook.objects.get().pk, reason="account_mismatch"), {"INV-42c"},
    ),
    "INV-14g": (
        lambda world: _update(Dispute, {"pk": make_dispute(_attempt_of(world)).pk}, amount=10**9)(world),
        {"INV-14g", "INV-20f", "INV-49"},
    ),
    "INV-25d": (
        lambda world: _update(Dispute, {"pk": make_dispute(_attempt_of(world)).pk}, amount_deducted=5)(world),
        {"INV-25d", "INV-26", "INV-26c"},
    ),
    "INV-18e": (
        lambda world: _update(Dispute, {"pk": make_dispute(_attempt_of(world)).pk}, next_check_at=None)(world), {"INV-18e"},
    ),
    "INV-20f": (lambda world: _update(Order, {"pk": world.paid.pk}, disputed_amount=5)(world), {"INV-20f"}),
    "INV-14d": (
        lambda world: make_dispute(_attempt_of(world)) and _update(Dispute, {}, id=UUID(int=1))(world), {"INV-14d"},
    ),
    "INV-18h": (
        lambda world: _update(
            Dispute, {"pk": make_dispute(_attempt_of(world)).pk}, respond_by=clock.now() - timedelta(hours=2)
        )(world),
        {"INV-18h"},
    ),
    "INV-18f": (_abandoned_import, {"INV-18f"}),
    "INV-10b": (
        lambda world: _update(
            Refund, {"pk": make_refund(Order.objects.get(pk=world.paid.pk), amount=1_00).pk}, created_at=clock.now() - timedelta(days=8)
        )(world),
        {"INV-10b"},
    ),
    "INV-10c": (lambda world: make_exception(opened_at=clock.now() - timedelta(days=8)), {"INV-10c"}),
    "INV-17c": (_processed_refund, {"INV-17c"}),
    "INV-20e": (
        lambda world: _update(
            PaymentAttempt, {"pk": _attempt_of(world).pk}, review_reason="paid_twice", review_opened_at=clock.now(),
            review_closed_at=clock.now(),
        )(world),
        {"INV-20e"},
    ),
    "INV-20h": (_review_without_event, {"INV-20h"}),
    "INV-16c": (lambda world: _update(Order, {"pk": world.waiting.pk}, under_review_amount=5)(world), {"INV-16c"}),
    "INV-16d": (_expired_under_review, {"INV-16d"}),
    "INV-10d": (
        lambda world: _update(
            PaymentAttempt, {"pk": _under_review(world).pk}, review_opened_at=clock.now() - timedelta(days=8)
        )(world),
        {"INV-10d"},
    ),
    "INV-25f": (
        lambda world: _update(PaymentAttempt, {"pk": _accepted(world).pk}, difference_reason="surcharge")(world), {"INV-25f"},
    ),
    "INV-49": (
        lambda world: _update(Refund, {"pk": world.refund.pk}, payment=Payment.objects.get(order=world.waiting))(world),
        {"INV-49"},
    ),
    "INV-49c": (lambda world: make_exception(refund_id=uuid4(), reason="refund_exceeds_payment"), {"INV-49c"}),
    "INV-15c": (_duplicate_settlement, {"INV-15c"}),
    "INV-49b": (
        lambda world: _update(LedgerTransaction, {"source_id": world.refund.pk}, order_id=world.waiting.pk)(world),
        {"INV-49b"},
    ),
    "INV-21": (lambda world: _line(world, "amount = amount + 1"), {"INV-21"}),
    "INV-21b": (lambda world: _settled(world) and _update(Settlement, {}, line_count=2)(world), {"INV-21b"}),
    "INV-21c": (
        lambda world: _settled(world) and _update(Settlement, {}, amount=1, updated_at=clock.now() - timedelta(hours=2))(world),
        {"INV-21c"},
    ),
    "INV-26": (
        _post_directly(("bank", 5), ("customer_advances", -5), source_type="invoicing.invoice", kind="invoice"), {"INV-26", "INV-26h"},
    ),
    "INV-26b": (
        lambda world: _line(world, "bank_amount = bank_amount - 1, fee_amount = fee_amount + 1"),
        {"INV-21b", "INV-26", "INV-26b", "INV-26q"},
    ),
    "INV-26c": (
        _post_directly(
            ("gateway_receivable:razorpay", 5), ("bank", -5), source_type="ledger.reconciliationexception", kind="difference"
        ),
        {"INV-25e", "INV-26c", "INV-26q"},
    ),
    "INV-26e": (
        _post_directly(
            ("settlement_in_transit", 5), ("other_bank_movements", -5), source_type="ledger.reconciliationexception",
            kind="difference",
        ),
        {"INV-25e", "INV-26e", "INV-26q"},
    ),
    "INV-26g": (lambda world: _banked(world) and _update(Settlement, {}, amount=1)(world), {"INV-26g"}),
    "INV-26h": (
        lambda world: _banked(world) and _update(BankLine, {"kind": "settlement"}, amount=1)(world),
        {"INV-26e", "INV-26g", "INV-26h"},
    ),
    "INV-26i": (
        lambda world: _banked(world) and _update(ReconciliationException, {}, held_amount=5)(world), {"INV-26i", "INV-28c"},
    ),
    "INV-26f": (lambda world: _settled(world) and _update(Settlement, {}, status="failed")(world), {"INV-26f"}),
    "INV-26p": (
        _update(PaymentAttempt, {"status": "captured"}, amount=10**9),
        {"INV-16", "INV-20", "INV-20b", "INV-25", "INV-26", "INV-26c", "INV-26p"},
    ),
    "INV-26q": (
        _post_directly(("disputes", 5), ("bank", -5), source_type="payments.dispute", kind="dispute_taken:1"),
        {"INV-25e", "INV-26", "INV-26q"},
    ),
    "INV-26d": (_unsettled_capture, {"INV-26d"}),
    "INV-21d": (lambda world: _adjustment(world, "fee_amount = 500, held_amount = 0"), {"INV-21d", "INV-26", "INV-26b", "INV-21b"}),
    "INV-21e": (
        lambda world: _adjustment(world, "kind = 'other', cleared_amount = -500, held_amount = 0"),
        {"INV-21e", "INV-26b", "INV-26c", "INV-26q"},
    ),
    "INV-29": (_judged(base_amount=1), {"INV-29"}),
    "INV-29b": (_judged(outcome="undercharged"), {"INV-29", "INV-29b"}),
    "INV-29c": (_never_judged, {"INV-29c"}),
    "INV-28e": (lambda world: _line(world, "fee_credit_amount = 1, held_amount = 1"), {"INV-28e", "INV-26", "INV-26b"}),
    "INV-28c": (
        _post_directly(("suspense", 5), ("bank", -5), source_type="ledger.reconciliationexception"),
        {"INV-25e", "INV-28c"},
    ),
}  # fmt: skip


#: What is counted for the sales figures is no money: `tests/backoffice/test_projections.py` violates these.
_OF_PROJECTIONS = {"INV-69", "INV-69b", "INV-69c"}


def test_every_invariant_has_its_violation() -> None:
    assert {invariant.id for invariant in INVARIANTS} - _OF_PROJECTIONS == set(_VIOLATIONS)
    assert len({invariant.name for invariant in INVARIANTS}) == len(INVARIANTS)


@pytest.mark.parametrize("invariant", _VIOLATIONS)
def test_a_planted_violation_is_found(world: Any, invariant: str) -> None:
    plant, expected = _VIOLATIONS[invariant]
    plant(world)
    found = set(violated())
    assert invariant in found
    assert found == expected


@pytest.mark.parametrize("words", ["UTR10000019", "UTR1000001 UTR1000002"], ids=["a longer UTR", "two settlements"])
def test_a_line_of_no_certain_settlement_may_stay_in_suspense(world: Any, words: str) -> None:
    _forgotten_in_suspense(world)
    other = Settlement.objects.get()
    other.pk, other.gateway_settlement_id, other.utr = uuid4(), "setl_00000000000002", "UTR1000002"
    other.save(force_insert=True)
    _update(BankLine, {"kind": "suspense"}, description=words)(world)

    assert "INV-26j" not in violated()


def test_two_payments_by_one_link_are_found(world: Any) -> None:
    run_sql("DROP INDEX one_payment_per_gateway_link")
    _update(Payment, {}, channel="payment_link", gateway_link_id="plink_1", next_action={"type": "payment_link"})(world)
    assert violated() == ["INV-15"]


def test_paying_in_other_ways_violates_nothing(shop: Any, owner: Any) -> None:
    pay(make_order(owner))
    assert violated() == []


def test_a_refund_that_no_report_has_is_found_until_somebody_misses_it_or_it_comes(world: Any) -> None:
    _settled(world)
    refund = apply_refund(world.refund)
    _update(Refund, {"pk": refund.pk}, processed_at=clock.now() - timedelta(days=11))(world)
    assert violated() == ["INV-21"]

    assert matching.open_missing_line_exceptions(now=clock.now()) == 1
    assert matching.open_missing_line_exceptions(now=clock.now()) == 0

    assert violated() == []
    missed = ReconciliationException.objects.get()
    assert (missed.reason, missed.entity_id, missed.expected_amount, missed.held_amount) == (
        "missing_line", refund.gateway_refund_id, -refund.amount, 0,
    )  # fmt: skip
    report = (
        "entity_id,type,debit,credit,amount,fee,tax,settled_at,settlement_id,settlement_utr\n"
        f"{refund.gateway_refund_id},refund,{refund.amount},0,{refund.amount},0,0,"
        f"{int(clock.now().timestamp())},setl_00000000000002,U2\n"
    )
    report_imports.import_settlement_file(
        stream=io.BytesIO(report.encode()), name="r.csv", actor=SYSTEM, now=clock.now()
    )
    missed.refresh_from_db()
    assert (missed.resolution, violated()) == ("arrived", [])


def test_a_report_of_a_past_day_that_broke_off_is_found_until_it_is_read(world: Any) -> None:
    day = clock.ist_date(clock.now()) - timedelta(days=4)
    reconciliation.request_settlement_import(day=day, actor=SYSTEM, now=clock.now())
    SettlementImport.objects.update(status="failed", error="no answer")
    assert violated() == ["INV-18f"]

    SettlementImport.objects.create(
        gateway="razorpay", source="api", fingerprint=day.isoformat(), day=day, status="completed", requested_by="test"
    )
    assert violated() == []


@pytest.mark.parametrize("status", ["awaiting_transfer", "failed"])
def test_money_that_must_go_back_does_not_lie_for_more_than_a_week(world: Any, status: str) -> None:
    _update(Refund, {"pk": world.refund.pk}, status=status, updated_at=clock.now() - timedelta(days=8))(world)
    _update(Order, {"pk": world.paid.pk}, status="cancelled")(world)

    assert "INV-10b" in violated()


def test_disputes_and_written_off_differences_leave_no_gap_in_the_gateways_debt(world: Any) -> None:
    attempt = _attempt_of(world)
    make_dispute(attempt, id="disp_1", amount_deducted=attempt.amount)
    assert violated() == []
    make_dispute(attempt, id="disp_1", status="lost", amount_deducted=attempt.amount)
    assert violated() == []


@pytest.mark.parametrize("reason", ["failed_settlement_banked", "bank_line_repeated"])
def test_a_line_that_contradicted_its_settlement_stays_for_staff(world: Any, reason: str) -> None:
    """The gateway says again that the transfer is on its way, after the bank had shown it."""
    _forgotten_in_suspense(world)
    line = BankLine.objects.get(kind="suspense")
    with pgtrigger.ignore("ledger.ReconciliationException:exception_is_frozen"):
        ReconciliationException.objects.filter(pk=line.exception_id).update(reason=reason)

    assert "INV-26j" not in violated()
