"""Imports, searches and decisions about one settlement at the same moment, each race with its control."""

import threading
from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from apps.core import clock
from apps.core.events import SYSTEM
from apps.ledger import selectors as ledger
from apps.ledger import services as ledger_services
from apps.ledger.models import ReconciliationException
from apps.orders.models import Order
from apps.payments.facts import GatewaySettlement
from apps.payments.services import ledger_accounts as payment_accounts
from apps.settlements.models import Settlement, SettlementImport
from apps.settlements.services import matching, receivables, reconciliation, transfers
from tests.factories.catalog import make_registration
from tests.factories.orders import make_order
from tests.factories.payments import (
    apply_refund,
    make_exception,
    make_refund,
    make_settlement,
    make_settlement_lines,
    pay,
)
from tests.support.lock_controls import run_amid, with_control, without_lock
from tests.support.threads import run_together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race]


@pytest.fixture(autouse=True)
def _accounts(reference_data: None) -> None:
    payment_accounts.set_up_reference_data(now=clock.now())


def kinds(results: list[Any]) -> list[str]:
    return [type(result).__name__ for result in results]


@pytest.fixture
def settlement() -> Settlement:
    """A settlement of which a line of ₹1.00 has come, and of which the gateway says that it transferred ₹3.00."""
    made = make_settlement(amount=300, lines_amount=100, parts=1)
    make_settlement_lines(made, 1)
    return made


class TestSumMismatch:
    def check(self, settlement: Settlement) -> int:
        return matching.open_sum_mismatch_exceptions(settlement_ids=[settlement.pk], now=clock.now())

    def test_resolved_while_further_lines_come_stays_as_staff_resolved_it(
        self, settlement: Settlement, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert self.check(settlement) == 1
        mismatch = ReconciliationException.objects.get()
        Settlement.objects.filter(pk=settlement.pk).update(lines_amount=200)
        real = matching.selectors.find_open_sum_mismatch_id

        def resolve() -> Any:
            return ledger_services.resolve_exception(
                exception_id=mismatch.pk, resolution="written_off", note="a fee", actor=SYSTEM, now=clock.now()
            )

        def find_while_staff_resolve(settlement_id: Any) -> Any:
            found = real(settlement_id)
            if found == mismatch.pk:
                assert kinds(run_together(resolve)) == ["ReconciliationException"]
            return found

        monkeypatch.setattr(matching.selectors, "find_open_sum_mismatch_id", find_while_staff_resolve)
        [opened] = run_together(lambda: self.check(settlement))

        mismatch.refresh_from_db()
        assert (opened, mismatch.resolution, mismatch.held_amount) == (1, "written_off", -200)
        # The other rupee that came was written off as a cost too: what is left over is held until somebody explains it.
        assert ReconciliationException.objects.exclude(pk=mismatch.pk).get().held_amount == 100


def record(settlement: Settlement, **said: Any) -> None:
    """Record what the gateway says of a transfer."""
    values = {"amount": 300, "status": "processed", "utr": "UTR1", "created_at": None, **said}
    facts = GatewaySettlement(gateway="razorpay", id=settlement.gateway_settlement_id, **values)
    transfers.record_transfer(settlement_id=settlement.pk, facts=facts, now=clock.now())


class TestTransfer:
    @with_control
    def test_two_answers_about_a_transfer_are_both_kept(self, settlement: Settlement, is_locked: bool) -> None:
        results = run_amid(
            "apps.settlements.locks.lock_settlement",
            lambda: record(settlement, amount=500),
            lambda: record(settlement, amount=700),
            is_locked=is_locked,
        )

        assert kinds(results) == (["NoneType", "NoneType"] if is_locked else ["SubjectNotLocked", "NoneType"])
        settlement.refresh_from_db()
        assert settlement.amount == 700

    @pytest.fixture
    def arrived(self, settlement: Settlement, monkeypatch: pytest.MonkeyPatch) -> ReconciliationException:
        """A line of ₹2.00 that the sum of the settlement had in it, and that has come with another settlement."""
        missed = make_exception(
            reason="missing_line", settlement_id=settlement.pk, held_amount=-200, actual_amount=None
        )
        monkeypatch.setattr(matching.selectors, "list_exceptions_explained_by", lambda *_, **__: [missed.pk])
        return missed

    @transaction.atomic
    def close(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        matching._close_explained_exceptions(make_settlement(), part=1, now=clock.now())
        meanwhile()

    def test_that_fails_while_a_line_of_it_comes_leaves_nothing_of_it_in_transit(
        self, settlement: Settlement, arrived: ReconciliationException
    ) -> None:
        run_amid(
            "apps.settlements.locks.lock_settlements",
            self.close,
            lambda: record(settlement, status="failed"),
            is_locked=True,
        )

        # The ₹3.00 were never booked here, so that taking them back once leaves their negative.
        assert ledger.balance_of("settlement_in_transit") == -300

    def test_control_without_the_lock_it_takes_the_line_back_twice(
        self, settlement: Settlement, arrived: ReconciliationException
    ) -> None:
        with without_lock("apps.settlements.locks.lock_settlements"):
            self.close(meanwhile=lambda: run_together(lambda: record(settlement, status="failed")))

        assert ledger.balance_of("settlement_in_transit") == -500


class TestMissingRefundLine:
    @pytest.fixture
    def order(self, owner: Any) -> Order:
        make_registration()
        order = make_order(owner)
        pay(order)
        return order

    @with_control
    def test_it_is_opened_by_one_of_two_searches(
        self, order: Order, monkeypatch: pytest.MonkeyPatch, is_locked: bool
    ) -> None:
        refund = make_refund(order, is_approved=True)
        apply_refund(refund)
        both_have_looked, real = threading.Barrier(2), matching.selectors.has_missing_line_exception

        def look_and_wait(entity_id: str) -> bool:
            found = real(entity_id)
            if not is_locked:
                both_have_looked.wait(60)
            return found

        def search() -> Any:
            return matching._open_missing_refund_line_exception(refund.pk, now=clock.now())

        monkeypatch.setattr(matching.selectors, "has_missing_line_exception", look_and_wait)
        with nullcontext() if is_locked else without_lock("apps.payments.locks.lock_refund"):
            results = run_together(search, search)

        assert sorted(results) == ([False, True] if is_locked else [True, True])
        assert ReconciliationException.objects.filter(reason="missing_line").count() == (1 if is_locked else 2)


class TestExplainedException:
    def test_closed_since_it_was_found_keeps_its_resolution(
        self, settlement: Settlement, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        exception = make_exception(reason="receivable_overdue", actual_amount=None)

        def find_while_it_closes(*_: Any, **__: Any) -> list[Any]:
            run_together(lambda: receivables._close(exception.pk, note="what is owed has changed", now=clock.now()))
            return [exception.pk]

        monkeypatch.setattr(matching.selectors, "list_exceptions_explained_by", find_while_it_closes)

        @transaction.atomic
        def book() -> None:
            matching._close_explained_exceptions(settlement, part=1, now=clock.now())

        assert run_together(book) == [None]
        exception.refresh_from_db()
        assert exception.note == "what is owed has changed"


class TestRequestedImport:
    @with_control
    def test_of_a_dead_reader_is_requested_again_once(self, is_locked: bool) -> None:
        now = clock.now()
        day = clock.ist_date(now)

        def request() -> Any:
            return reconciliation.request_settlement_import(day=day, actor=SYSTEM, now=now)

        SettlementImport.objects.filter(pk=request().pk).update(claimed_until=now - timedelta(minutes=1))

        results = run_amid("apps.settlements.locks.lock_settlement_import", request, request, is_locked=is_locked)

        assert kinds(results) == (
            ["SettlementImport", "SettlementImport"] if is_locked else ["SubjectNotLocked", "SettlementImport"]
        )
