"""A decision about a line that did not come, and the line itself, at the same moment: the payment is cleared once. With its control."""

import threading
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import pytest

from apps.core import clock
from apps.core.events import SYSTEM
from apps.ledger import selectors as ledger
from apps.ledger import services as ledger_services
from apps.ledger.models import ReconciliationException
from apps.payments.models import PaymentAttempt
from apps.payments.services import ledger_accounts
from apps.settlements.services import matching
from apps.settlements.sql import report_lines
from tests.factories.catalog import make_registration
from tests.factories.orders import make_order
from tests.factories.payments import pay
from tests.support.database_locks import wait_for_a_blocked_session
from tests.support.lock_controls import without_lock
from tests.support.settlements import as_csv, import_csv, line, line_of
from tests.support.threads import run_together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race, pytest.mark.timeout(600)]


@pytest.fixture
def paid(reference_data: None, owner: Any, sandbox: Any) -> PaymentAttempt:
    make_registration()
    ledger_accounts.set_up_reference_data(now=clock.now())
    return pay(make_order(owner))


@pytest.mark.parametrize("is_locked", [True, False], ids=["locked", "control"])
def test_a_missing_line_that_comes_while_staff_decide_clears_once(
    paid: PaymentAttempt, monkeypatch: pytest.MonkeyPatch, is_locked: bool
) -> None:
    import_csv(as_csv(line("adj_00000000000001", "adjustment", amount=5, debit=5, credit_type="fee")))
    matching.open_missing_line_exceptions(now=clock.now() + timedelta(days=6))
    missed = ReconciliationException.objects.get()
    barrier, has_decided, first, real = (
        threading.Barrier(2),
        threading.Event(),
        threading.Lock(),
        report_lines.add_lines,
    )

    def pause(**values: Any) -> Any:
        added = real(**values)
        if first.acquire(blocking=False):
            barrier.wait(60)
            if is_locked:
                wait_for_a_blocked_session()
            else:
                has_decided.wait(60)
        return added

    def decide() -> Any:
        barrier.wait(60)
        try:
            return ledger_services.resolve_exception(
                exception_id=missed.pk, resolution="written_off", note="x", actor=SYSTEM, now=clock.now()
            )
        finally:
            has_decided.set()

    monkeypatch.setattr(report_lines, "add_lines", pause)

    with nullcontext() if is_locked else without_lock("apps.settlements.locks.lock_line_booking"):
        booked, decided = run_together(
            lambda: import_csv(as_csv(line_of(paid, settlement_id="setl_00000000000002"))), decide
        )

    missed.refresh_from_db()
    assert booked.status == "completed"
    assert ledger.balance_of("gateway_receivable:razorpay") == (0 if is_locked else -paid.amount)
    assert (missed.resolution, type(decided).__name__) == (
        ("arrived", "ExceptionAlreadyResolved") if is_locked else ("written_off", "ReconciliationException")
    )
