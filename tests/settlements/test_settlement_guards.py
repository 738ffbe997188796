"""Reports that would have money booked twice, or read as what it is not."""

import threading
from typing import Any

import pytest
from django.db import connection

from apps.core import clock
from apps.ledger import selectors as ledger
from apps.payments.facts import UnreadableFacts
from apps.payments.gateways.razorpay.settlements import row_from
from apps.payments.models import PaymentAttempt
from apps.payments.services.refunds import bank_transfers
from apps.settlements import locks as settlement_locks
from apps.settlements.sql import report_lines as sql
from tests.factories.catalog import make_registration
from tests.factories.orders import make_order
from tests.factories.payments import pay
from tests.support.colleagues import BALA
from tests.support.database_locks import wait_for_a_blocked_session
from tests.support.refunds import apply_refund_update, request_refund
from tests.support.settlements import as_csv, found, import_csv, line, line_of, violated
from tests.support.threads import run_together

RECEIVABLE = "gateway_receivable:razorpay"


@pytest.fixture
def paid(colleagues: None, owner: Any, sandbox: Any) -> PaymentAttempt:
    make_registration()
    return pay(make_order(owner))


@pytest.mark.django_db
def test_refund_transferred_and_then_processed_by_the_gateway_is_held_in_suspense(paid: PaymentAttempt) -> None:
    refund = request_refund(paid.payment.order, amount=10_000)
    apply_refund_update(refund, "failed")
    bank_transfers.confirm_refund_transfer(refund_id=refund.pk, reference="NEFT 1", actor=BALA, now=clock.now())
    apply_refund_update(refund, "processed")
    owed = ledger.balance_of(RECEIVABLE)

    refund.refresh_from_db()
    assert refund.gateway_refund_id is not None
    # That the customer has the money twice is known at once; the report's line then holds what it took from us.
    assert found() == [("refund_exceeds_payment", refund.gateway_refund_id, 0)]
    import_csv(as_csv(line(refund.gateway_refund_id, "refund", amount=10_000, debit=10_000)))

    assert found() == [
        ("refund_exceeds_payment", refund.gateway_refund_id, 0),
        ("unknown_payment", refund.gateway_refund_id, 10_000),
    ]
    assert (ledger.balance_of(RECEIVABLE), ledger.balance_of("suspense")) == (owed, 10_000)
    assert violated("INV-21", "INV-21b", "INV-26", "INV-26b") == []


@pytest.mark.django_db
def test_a_refund_that_has_failed_here_is_not_cleared_by_its_line(paid: PaymentAttempt) -> None:
    refund = request_refund(paid.payment.order, amount=10_000)
    apply_refund_update(refund, "failed")
    refund.refresh_from_db()
    assert refund.gateway_refund_id is not None

    import_csv(as_csv(line(refund.gateway_refund_id, "refund", amount=10_000, debit=10_000)))

    assert found() == [("unknown_payment", refund.gateway_refund_id, 10_000)]
    assert ledger.balance_of(RECEIVABLE) == paid.amount


@pytest.mark.django_db(transaction=True)
@pytest.mark.race
@pytest.mark.parametrize("is_locked", [True, False], ids=["locked", "control"])
def test_one_line_in_two_settlements_that_are_booked_at_once_clears_once(
    paid: PaymentAttempt, monkeypatch: pytest.MonkeyPatch, is_locked: bool
) -> None:
    barrier, real = threading.Barrier(2), sql.add_lines
    first = iter(range(1))

    def meet(**values: Any) -> Any:
        """Neither commits before both have added their line, or before one waits for the other's lock."""
        added = real(**values)
        if not is_locked:
            barrier.wait(60)
        elif next(first, None) is not None:
            wait_for_a_blocked_session()
        return added

    monkeypatch.setattr(sql, "add_lines", meet)
    one, other = as_csv(line_of(paid)), as_csv(line_of(paid, settlement_id="setl_00000000000002"))

    if not is_locked:
        monkeypatch.setattr(settlement_locks, "lock_line_booking", lambda: None)

    results = run_together(lambda: import_csv(one), lambda: import_csv(other))

    assert [getattr(result, "status", result) for result in results] == ["completed", "completed"]
    assert [reason for reason, _, _ in found()] == (["duplicated_line"] if is_locked else [])
    assert ledger.balance_of(RECEIVABLE) == (0 if is_locked else -paid.amount)
    connection.check_constraints()


# What is said -----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_blanks_around_the_names_of_columns_change_nothing(paid: PaymentAttempt) -> None:
    head, *rows = as_csv(line_of(paid)).split(b"\n")

    import_csv(b"\n".join([head.replace(b",", b" , "), *rows]))

    assert found() == []
    assert ledger.balance_of(RECEIVABLE) == 0


@pytest.mark.parametrize("amount", ["1_000", "１２", "+5", "1e3", " ", "--5", "0x10"])
def test_what_is_not_plainly_paise_is_not_guessed_at(amount: str) -> None:
    with pytest.raises(UnreadableFacts, match="amount is not in paise"):
        row_from(line("pay_1", amount=amount))


@pytest.mark.parametrize("at", [float("inf"), "1e9", "９", [1]])
def test_what_is_no_time_is_refused(at: Any) -> None:
    with pytest.raises(UnreadableFacts, match="settled_at is not a time"):
        row_from(line("pay_1", settled_at=at))


def test_text_that_no_database_takes_is_left_out() -> None:
    row = row_from(line("pay_1", description="a\ud800b\x00c"))
    assert row is not None
    assert row.description == "abc"
