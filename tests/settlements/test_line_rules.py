"""Rules that judge the lines of a settlement report: each is the only one that catches the line planted for it."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from apps.core import clock
from apps.ledger import services as ledger_services
from apps.ledger.models import ReconciliationException
from apps.payments.models import PaymentAttempt
from apps.settlements.models import SettlementLine
from apps.settlements.services import matching
from apps.settlements.sql import line_rules, report_lines
from apps.settlements.sql.line_rules import LineRule
from tests.factories.orders import make_order
from tests.factories.payments import pay
from tests.support.colleagues import BALA
from tests.support.refunds import apply_refund_update, request_refund
from tests.support.settlements import as_csv, found, import_csv, line, line_of

LATER = "setl_00000000000002"


@pytest.fixture
def paid(shop: Any, colleagues: None, owner: Any, sandbox: Any) -> PaymentAttempt:
    return pay(make_order(owner))


@pytest.fixture
def caught(monkeypatch: pytest.MonkeyPatch) -> dict[int, list[str]]:
    """Return, by the position of each line that is booked, the names of all rules whose condition holds for it."""
    names: dict[int, list[str]] = {}
    add_lines = report_lines.add_lines
    holds = ", ".join(f"({rule.condition}) AS {rule.name}" for rule in line_rules.RULES)
    statement = f"{report_lines.STAGED_LINES} SELECT s.position, {holds} {report_lines.MATCHED_LINES}"

    def note_rules(*, report_id: Any, settlement: Any, **others: Any) -> report_lines.Added:
        with connection.cursor() as cursor:
            cursor.execute(
                statement,
                {
                    "report": report_id,
                    "settlement": settlement.pk,
                    "gateway_settlement_id": settlement.gateway_settlement_id,
                    "gateway": settlement.gateway,
                },
            )
            for position, *held in cursor.fetchall():
                names[position] = [rule.name for rule, is_held in zip(line_rules.RULES, held, strict=True) if is_held]
        return add_lines(report_id=report_id, settlement=settlement, **others)

    monkeypatch.setattr(report_lines, "add_lines", note_rules)
    return names


def changed(paid: PaymentAttempt, **by: int) -> dict[str, Any]:
    """Return the line of a payment with some of its amounts changed."""
    true = line_of(paid)
    return {**true, **{name: true[name] + value for name, value in by.items()}}


def repeated(paid: PaymentAttempt) -> list[dict[str, Any]]:
    return [line_of(paid), line_of(paid)]


def in_two_settlements(paid: PaymentAttempt) -> list[dict[str, Any]]:
    import_csv(as_csv(line_of(paid)))
    return [line_of(paid, settlement_id=LATER)]


def late(paid: PaymentAttempt) -> list[dict[str, Any]]:
    """Return the line of a payment that staff have written off while its line was missing."""
    now = clock.now() + timedelta(days=6)
    import_csv(as_csv(line("adj_00000000000001", "adjustment", amount=5, debit=5, credit_type="fee")))
    matching.open_missing_line_exceptions(now=now)
    missing = ReconciliationException.objects.get()
    ledger_services.resolve_exception(
        exception_id=missing.pk, resolution="written_off", note="Written off", actor=BALA, now=now
    )
    return [line_of(paid, settlement_id=LATER)]


def refund_of_another_amount(paid: PaymentAttempt) -> list[dict[str, Any]]:
    refund = request_refund(paid.payment.order, amount=10_000)
    apply_refund_update(refund, "processed")
    refund.refresh_from_db()
    assert refund.gateway_refund_id is not None
    return [line(refund.gateway_refund_id, "refund", amount=10_100, debit=10_100)]


#: The lines of a report by the rule that catches the last of them.
PLANTED: dict[str, Callable[[PaymentAttempt], list[dict[str, Any]]]] = {
    "repeated_in_report": repeated,
    "in_another_settlement": in_two_settlements,
    "resolved_while_missing": late,
    "payment_unknown": lambda paid: [line("pay_NobodyKnows001", amount=900, credit=900)],
    "refund_unknown": lambda paid: [line("rfnd_NobodyKnows01", "refund", amount=900, debit=900)],
    "payment_amount_differs": lambda paid: [changed(paid, amount=100, credit=100)],
    "refund_amount_differs": refund_of_another_amount,
    "does_not_add_up": lambda paid: [changed(paid, credit=-100)],
    "payment_fee_differs": lambda paid: [changed(paid, fee=100, credit=-100)],
    "payment_tax_differs": lambda paid: [changed(paid, tax=5)],
    "tax_exceeds_fee": lambda paid: [line("trf_00000000000001", "transfer", amount=900, debit=910, fee=10, tax=11)],
    "adjustment_unknown": lambda paid: [line("adj_00000000000001", "adjustment", amount=700, debit=700)],
    "kind_unknown": lambda paid: [line("gift_0000000000001", "gift", amount=500, credit=500)],
}


def test_each_rule_has_a_line_planted_for_it() -> None:
    assert [rule.name for rule in line_rules.RULES] == list(PLANTED)


@pytest.mark.django_db
@pytest.mark.parametrize("rule", line_rules.RULES, ids=lambda rule: rule.name)
def test_only_this_rule_catches_its_line(paid: PaymentAttempt, caught: dict[int, list[str]], rule: LineRule) -> None:
    lines = PLANTED[rule.name](paid)
    caught.clear()

    import_csv(as_csv(*lines))

    last = max(caught)
    assert caught[last] == [rule.name]
    assert found()[-1][:2] == (rule.reason, lines[-1]["entity_id"])
    booked = SettlementLine.objects.get(problem=rule.reason)
    is_held_whole = booked.held_amount == -booked.bank_amount and booked.cleared_amount == 0
    assert is_held_whole == (rule.reason in line_rules.HELD_WHOLE)


@pytest.mark.django_db
def test_a_true_line_is_caught_by_no_rule(paid: PaymentAttempt, caught: dict[int, list[str]]) -> None:
    import_csv(as_csv(line_of(paid)))

    assert list(caught.values()) == [[]]
    assert SettlementLine.objects.get().problem == ""


@pytest.mark.django_db
def test_the_first_rule_that_catches_a_line_names_its_reason(
    paid: PaymentAttempt, caught: dict[int, list[str]]
) -> None:
    import_csv(as_csv(line("pay_NobodyKnows001", amount=900, credit=800, tax=5)))

    assert list(caught.values()) == [["payment_unknown", "does_not_add_up", "tax_exceeds_fee"]]
    assert SettlementLine.objects.get().problem == "unknown_payment"
