"""A settlement's transfer to the bank: in transit, failed, and made again."""

import threading
from datetime import timedelta
from typing import Any

import pytest

from apps.core import clock
from apps.core.events import SYSTEM
from apps.core.models import Event
from apps.ledger import selectors as ledger
from apps.ledger import services as ledger_services
from apps.ledger.models import LedgerTransaction, ReconciliationException
from apps.payments.facts import GatewaySettlement
from apps.payments.models import PaymentAttempt
from apps.settlements import locks
from apps.settlements.models import Settlement
from apps.settlements.services import reconciliation, transfers
from apps.settlements.services.exception_resolution import ReceivableOutstanding
from apps.settlements.services.matching import open_sum_mismatch_exceptions
from apps.settlements.services.receivables import open_overdue_receivable_exceptions
from tests.factories.orders import make_order
from tests.factories.payments import pay
from tests.support.gateway_payments import make_orders_paid_at_gateway
from tests.support.settlements import amounts, as_csv, counts, found, import_csv, line_of, violated
from tests.support.threads import run_together

INVARIANTS = ("INV-21", "INV-21b", "INV-25e", "INV-26", "INV-26b", "INV-26c", "INV-26e", "INV-26f", "INV-28c")
RECEIVABLE = "gateway_receivable:razorpay"


@pytest.fixture
def paid(shop: Any, owner: Any) -> PaymentAttempt:
    return pay(make_order(owner))


@pytest.fixture
def settlement(paid: PaymentAttempt, sandbox: Any) -> Settlement:
    import_csv(as_csv(line_of(paid)))
    return Settlement.objects.get()


def report(settlement: Settlement, status: str, **fields: Any) -> Settlement:
    """Record what the gateway says of a settlement's transfer: of its lines' sum, if nothing else is said."""
    facts = GatewaySettlement(
        **{
            "gateway": "razorpay", "id": settlement.gateway_settlement_id, "amount": settlement.lines_amount,
            "status": status, "utr": "UTR1", "created_at": None, **fields,
        }
    )  # fmt: skip
    transfers.record_transfer(settlement_id=settlement.pk, facts=facts, now=clock.now())
    return Settlement.objects.get(pk=settlement.pk)


def balances() -> tuple[int, int, int, int]:
    """Return the balances (paise) of what is in transit, of the receivable, of the bank and of suspense."""
    names = ("settlement_in_transit", RECEIVABLE, "bank", "suspense")
    in_transit, receivable, bank, suspense = (ledger.balance_of(name) for name in names)
    return in_transit, receivable, bank, suspense


@pytest.mark.django_db
class TestProcessedSettlement:
    """Razorpay's `processed` says that the transfer was initiated."""

    def test_is_in_transit_and_not_in_the_bank(self, settlement: Settlement) -> None:
        settlement = report(settlement, "processed")

        assert (settlement.transfer_status, settlement.failed_at) == ("in_transit", None)
        assert balances() == (settlement.lines_amount, 0, 0, 0)
        assert violated(*INVARIANTS) == []

    def test_of_another_amount_is_in_transit_as_transferred(self, settlement: Settlement) -> None:
        report(settlement, "processed", amount=settlement.lines_amount - 100)

        open_sum_mismatch_exceptions(settlement_ids=[settlement.pk], now=clock.now())

        assert balances() == (settlement.lines_amount - 100, 0, 0, 100)
        assert violated("INV-21c", *INVARIANTS) == []


@pytest.mark.django_db
class TestFailedSettlement:
    def test_is_owed_again_with_an_exception(self, settlement: Settlement) -> None:
        failed = report(settlement, "failed")

        assert (failed.transfer_status, failed.status) == ("failed", "failed")
        assert balances() == (0, failed.lines_amount, 0, 0)
        posting = LedgerTransaction.objects.get(kind__startswith="transfer_failed")
        assert amounts(posting) == {RECEIVABLE: failed.lines_amount, "settlement_in_transit": -failed.lines_amount}
        exception = ReconciliationException.objects.get()
        assert (exception.reason, exception.settlement_id, exception.expected_amount, exception.held_amount) == (
            "settlement_failed", failed.pk, failed.lines_amount, 0,
        )  # fmt: skip
        assert "failed. Its amount is owed again until the gateway transfers it." in exception.description
        assert Event.objects.filter(type="settlements.settlement.failed", subject_id=failed.pk).count() == 1
        assert violated(*INVARIANTS) == []

    def test_that_is_reported_again_changes_nothing(self, settlement: Settlement) -> None:
        report(settlement, "failed")
        before = (counts(), Event.objects.count())

        report(settlement, "failed")

        assert (counts(), Event.objects.count()) == before

    def test_is_in_transit_again_once_it_is_transferred_again(self, settlement: Settlement) -> None:
        report(settlement, "failed")

        again = report(settlement, "processed", utr="UTR2")

        assert (again.transfer_status, again.failed_at, again.utr) == ("in_transit", None, "UTR2")
        assert balances() == (again.lines_amount, 0, 0, 0)
        assert ReconciliationException.objects.get().resolution == "arrived"
        assert violated(*INVARIANTS) == []

    def test_that_fails_again_has_another_exception(self, settlement: Settlement) -> None:
        report(settlement, "failed")
        report(settlement, "processed", utr="UTR2")
        transfers_made = Event.objects.count()

        again = report(settlement, "failed", utr="UTR2")

        assert Event.objects.count() > transfers_made
        assert [reason for reason, _, _ in found()] == ["settlement_failed"] * 2
        assert balances() == (0, again.lines_amount, 0, 0)
        assert violated(*INVARIANTS) == []

    def test_keeps_further_lines_owed(self, settlement: Settlement, owner: Any) -> None:
        other = pay(make_order(owner))
        report(settlement, "failed", amount=settlement.lines_amount + other.amount - other.fee_amount)

        import_csv(as_csv(line_of(other)))

        failed = Settlement.objects.get()
        assert balances() == (0, failed.lines_amount, 0, 0)
        assert failed.lines_amount > settlement.lines_amount
        assert violated(*INVARIANTS) == []

    def test_with_another_sum_holds_it_outside_of_transit(self, settlement: Settlement) -> None:
        report(settlement, "failed", amount=settlement.lines_amount + 100)

        open_sum_mismatch_exceptions(settlement_ids=[settlement.pk], now=clock.now())

        assert balances() == (0, settlement.lines_amount + 100, 0, -100)
        assert violated(*INVARIANTS) == []

    def test_whose_difference_comes_as_a_line_is_owed_once(self, settlement: Settlement, owner: Any) -> None:
        other = pay(make_order(owner))
        report(settlement, "processed", amount=settlement.lines_amount + other.amount - other.fee_amount)
        open_sum_mismatch_exceptions(settlement_ids=[settlement.pk], now=clock.now())
        report(settlement, "failed", amount=settlement.lines_amount + other.amount - other.fee_amount)

        import_csv(as_csv(line_of(other)))

        failed = Settlement.objects.get()
        assert balances() == (0, failed.lines_amount, 0, 0)
        assert violated(*INVARIANTS) == []

    def test_is_not_an_overdue_receivable_as_well(self, settlement: Settlement) -> None:
        report(settlement, "failed")

        opened = open_overdue_receivable_exceptions(now=clock.now() + timedelta(days=30))

        assert (opened, [reason for reason, _, _ in found()]) == (0, ["settlement_failed"])


@pytest.mark.django_db
class TestResolveFailedSettlement:
    def resolve(self, resolution: str) -> None:
        ledger_services.resolve_exception(
            exception_id=ReconciliationException.objects.get(reason="settlement_failed").pk,
            resolution=resolution, note="because", actor=SYSTEM, now=clock.now(),
        )  # fmt: skip

    @pytest.mark.parametrize("resolution", ["noted", "cleared"])
    def test_what_is_owed_cannot_be_closed_with_a_note(self, settlement: Settlement, resolution: str) -> None:
        report(settlement, "failed")
        before = counts()

        with pytest.raises(ReceivableOutstanding):
            self.resolve(resolution)

        assert counts() == before
        assert ReconciliationException.objects.get().resolved_at is None

    @pytest.mark.parametrize(
        ("resolution", "account"), [("written_off", "gateway_fees:razorpay"), ("paid_outside", "other_bank_movements")]
    )
    def test_what_is_given_up_or_came_otherwise_is_owed_no_more(
        self, settlement: Settlement, resolution: str, account: str
    ) -> None:
        report(settlement, "failed")
        before = ledger.balance_of(account)

        self.resolve(resolution)

        assert balances() == (0, 0, 0, 0)
        assert ledger.balance_of(account) - before == settlement.lines_amount
        assert violated(*INVARIANTS) == []

    def test_what_another_settlement_brought_is_closed_with_a_note(
        self, settlement: Settlement, paid: PaymentAttempt
    ) -> None:
        report(settlement, "failed")
        import_csv(as_csv(line_of(paid, settlement_id="setl_00000000000002")))
        duplicated = ReconciliationException.objects.get(reason="duplicated_line")
        ledger_services.resolve_exception(
            exception_id=duplicated.pk, resolution="cleared", note="paid again", actor=SYSTEM, now=clock.now()
        )

        self.resolve("noted")

        assert balances() == (settlement.lines_amount, 0, 0, 0)
        assert violated(*INVARIANTS) == []


@pytest.mark.django_db
def test_the_gateway_is_asked_about_a_failed_transfer(shop: Any, owner: Any, sandbox: Any) -> None:
    make_orders_paid_at_gateway(owner, sandbox, 1)
    made = sandbox.control("POST", "/settlements/run", {"due_only": False})["settlement"]
    reconciliation.reconcile(now=clock.now())
    sandbox.control("POST", f"/settlements/{made['id']}/conclude", {"outcome": "failed"})

    reconciliation.reconcile(now=clock.now(), since=clock.now() - timedelta(days=1))

    assert Settlement.objects.get().transfer_status == "failed"
    assert balances()[:2] == (0, made["amount"])


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
class TestTwoReportsOfOneFailure:
    def test_return_the_money_once(self, settlement: Settlement) -> None:
        results = run_together(*[lambda: report(settlement, "failed")] * 2)

        assert [result.transfer_status for result in results] == ["failed", "failed"]
        assert balances() == (0, settlement.lines_amount, 0, 0)
        assert [reason for reason, _, _ in found()] == ["settlement_failed"]
        assert violated(*INVARIANTS) == []

    def test_control_without_the_lock_one_fails(self, settlement: Settlement, monkeypatch: Any) -> None:
        both_have_read = threading.Barrier(2)

        def unlocked(*, gateway: str, gateway_settlement_id: str) -> Settlement:
            row = Settlement.objects.get(gateway=gateway, gateway_settlement_id=gateway_settlement_id)
            both_have_read.wait(60)
            return row

        monkeypatch.setattr(locks, "lock_settlement", unlocked)

        results = run_together(*[lambda: report(settlement, "failed")] * 2)

        assert sum(isinstance(result, Exception) for result in results) == 1
