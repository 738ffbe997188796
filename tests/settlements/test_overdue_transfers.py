"""Settlements that the bank's statement should show and does not: opened once, closed by the line or the failure."""

from datetime import timedelta
from typing import Any

import pytest

from apps.core import clock
from apps.core.events import SYSTEM
from apps.ledger import selectors as ledger
from apps.ledger import services as ledger_services
from apps.ledger.models import LedgerTransaction, ReconciliationException
from apps.payments.models import PaymentAttempt
from apps.settlements.models import BankLine, Settlement
from apps.settlements.services import bank_lines, transfers
from apps.settlements.services.exception_resolution import SettlementStillInTransit
from apps.settlements.services.overdue_transfers import open_overdue_transfer_exceptions
from tests.factories.orders import make_order
from tests.factories.payments import make_settlement, pay
from tests.support.bank_statements import import_statement, statement
from tests.support.lock_controls import run_amid, with_control
from tests.support.settlements import as_csv, found, import_csv, line_of, violated
from tests.support.threads import run_together

UTR = "UTR1000001"
CHARGE = (-2_36, "NEFT CHARGES INCL GST 0.36")
INVARIANTS = ("INV-26", "INV-26b", "INV-26c", "INV-26e", "INV-26f", "INV-26g", "INV-26h", "INV-26i", "INV-28c")


@pytest.fixture
def settlement(shop: Any, owner: Any, sandbox: Any) -> Settlement:
    """A settlement of three days ago, in transit."""
    return settle(pay(make_order(owner)), days=3)


def settle(paid: PaymentAttempt, *, days: int) -> Settlement:
    """Import the report of some days ago with the line of an attempt."""
    at = int((clock.now() - timedelta(days=days)).timestamp())
    import_csv(as_csv(line_of(paid, settlement_utr=UTR, created_at=at, settled_at=at)))
    return Settlement.objects.get()


def days_ago(count: int) -> str:
    return f"{clock.ist_date(clock.now()) - timedelta(days=count):%d-%m-%Y}"


def cover(*days: int, account: str = "917020012345678") -> None:
    """Import statements of some days ago, each of a charge."""
    for count in days:
        import_statement(statement(CHARGE, first=1_000_000 + count, on=days_ago(count)), account=account)


def report(settlement: Settlement, status: str, utr: str) -> None:
    """Record what the gateway says of the transfer."""
    facts = transfers.GatewaySettlement(
        gateway="razorpay", id=settlement.gateway_settlement_id, amount=settlement.lines_amount, status=status, utr=utr,
        created_at=None,
    )  # fmt: skip
    transfers.record_transfer(settlement_id=settlement.pk, facts=facts, now=clock.now())


@pytest.mark.django_db
class TestOpened:
    def test_once_a_statement_goes_on_for_three_days(self, settlement: Settlement) -> None:
        cover(3, 1)
        assert found() == []

        cover(0)

        exception = ReconciliationException.objects.get()
        assert found() == [("transfer_overdue", settlement.gateway_settlement_id, 0)]
        assert (exception.settlement_id, exception.expected_amount) == (settlement.pk, settlement.lines_amount)
        assert "UTR UTR1000001" in exception.description
        assert open_overdue_transfer_exceptions(now=clock.now()) == 0
        assert violated(*INVARIANTS) == []

    def test_when_its_report_comes_after_the_statement(self, shop: Any, owner: Any, sandbox: Any) -> None:
        cover(9, 0)

        settle(pay(make_order(owner)), days=8)

        assert [reason for reason, _, _ in found()] == ["transfer_overdue"]

    @pytest.mark.parametrize("days", [4, 2], ids=["settled before the statement", "not three days ago"])
    def test_not_of_days_without_a_statement(self, shop: Any, owner: Any, sandbox: Any, days: int) -> None:
        settle(pay(make_order(owner)), days=days)

        cover(3, 0)

        assert found() == []

    @pytest.mark.parametrize(
        "fields",
        [{"transfer_status": "failed", "failed_at": clock.now()}, {"amount": 0}, {"transfer_status": "banked"}],
    )
    def test_not_of_what_is_not_in_transit(self, shop: Any, fields: dict[str, Any]) -> None:
        make_settlement(settled_at=clock.now() - timedelta(days=3), **{"amount": 100, **fields})

        cover(3, 0)

        assert found() == []

    def test_not_by_the_statement_of_another_account(self, settlement: Settlement) -> None:
        import_statement(statement((settlement.lines_amount, f"NEFT/{UTR}"), on=days_ago(9)))
        make_settlement(settled_at=clock.now() - timedelta(days=3), amount=100)

        cover(3, 0, account="50100012345678")

        assert found() == []


@pytest.mark.django_db
class TestClosed:
    @pytest.fixture
    def exception(self, settlement: Settlement) -> ReconciliationException:
        cover(3, 0)
        return ReconciliationException.objects.get()

    def test_by_the_line(self, exception: ReconciliationException, settlement: Settlement) -> None:
        import_statement(statement((settlement.lines_amount, f"NEFT/{UTR}/RAZORPAY")))

        exception.refresh_from_db()
        assert (exception.resolution, exception.note) == ("arrived", "the bank's statement shows it now")
        assert violated(*INVARIANTS) == []

    def test_by_a_line_that_staff_assign(self, exception: ReconciliationException, settlement: Settlement) -> None:
        import_statement(statement((settlement.lines_amount, "NEFT FROM RAZORPAY")))
        line = BankLine.objects.get(kind="suspense")

        bank_lines.assign_bank_line(line_id=line.pk, settlement_id=settlement.pk, actor=SYSTEM, now=clock.now())

        exception.refresh_from_db()
        assert exception.resolution == "arrived"
        assert violated(*INVARIANTS) == []

    def test_by_the_failure_and_opened_again_for_the_second_transfer(
        self, exception: ReconciliationException, settlement: Settlement
    ) -> None:
        report(settlement, "failed", UTR)

        exception.refresh_from_db()
        assert (exception.resolution, exception.note) == ("arrived", "the transfer failed")

        report(settlement, "processed", "UTR2")

        assert open_overdue_transfer_exceptions(now=clock.now()) == 1
        assert violated(*INVARIANTS) == []

    @pytest.mark.parametrize("resolution", ["written_off", "paid_outside", "cleared"])
    def test_not_by_a_resolution_that_moves_money(self, exception: ReconciliationException, resolution: str) -> None:
        before = LedgerTransaction.objects.count()

        with pytest.raises(SettlementStillInTransit):
            ledger_services.resolve_exception(
                exception_id=exception.pk, resolution=resolution, note="gone", actor=SYSTEM, now=clock.now()
            )

        exception.refresh_from_db()
        assert (exception.resolved_at, LedgerTransaction.objects.count()) == (None, before)

    def test_by_a_remark_and_not_opened_again(self, exception: ReconciliationException, settlement: Settlement) -> None:
        ledger_services.resolve_exception(
            exception_id=exception.pk, resolution="noted", note="the bank looks for it", actor=SYSTEM, now=clock.now()
        )

        assert open_overdue_transfer_exceptions(now=clock.now()) == 0
        assert ledger.balance_of("settlement_in_transit") == settlement.lines_amount
        assert violated(*INVARIANTS) == []


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    @pytest.fixture
    def covered(self, shop: Any) -> Settlement:
        """A settlement that statements cover, and that nobody has looked for yet: a row alone."""
        cover(4, 0)
        return make_settlement(amount=100, utr=UTR, settled_at=clock.now() - timedelta(days=3))

    @with_control
    def test_none_is_left_open_for_what_the_bank_shows_meanwhile(self, covered: Settlement, is_locked: bool) -> None:
        run_amid(
            "apps.settlements.locks.lock_settlement",
            lambda: open_overdue_transfer_exceptions(now=clock.now()),
            lambda: import_statement(statement((100, f"NEFT/{UTR}/RAZORPAY"))),
            is_locked=is_locked,
        )

        covered.refresh_from_db()
        exception = ReconciliationException.objects.get()
        assert (covered.transfer_status, exception.resolution) == ("banked", "arrived" if is_locked else "")

    def test_two_searches_open_one(self, covered: Settlement) -> None:
        results = run_together(*[lambda: open_overdue_transfer_exceptions(now=clock.now())] * 2)

        assert sorted(results) == [0, 1]
