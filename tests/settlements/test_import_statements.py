"""What imports cost in statements, whatever their size, and that what is written in batches is written once."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.core import clock
from apps.core.models import Event
from apps.ledger.models import LedgerTransaction, ReconciliationException
from apps.payments.services import ledger_accounts
from apps.settlements.models import BankLine, SettlementImport, SettlementLine
from apps.settlements.services import bank_lines, bank_statements, fee_audit, import_claims, matching
from apps.settlements.services.import_claims import ImportClaim
from tests.factories.orders import make_order
from tests.factories.payments import make_settlement
from tests.support.bank_statements import import_statement, statement
from tests.support.settlements import as_csv, download, import_csv, line, load_truth, synthesise, violated
from tests.support.threads import run_together

INVARIANTS = ("INV-21", "INV-21b", "INV-21c", "INV-25e", "INV-26", "INV-26b", "INV-26c", "INV-28c")


def count_statements(queries: CaptureQueriesContext) -> int:
    """Return how many statements reached the database, without the savepoints that a test adds."""
    return len([query for query in queries.captured_queries if "SAVEPOINT" not in query["sql"]])


@pytest.mark.django_db
class TestSettlementReport:
    def count(self, sandbox: Any, order: Any, *, lines: int, seed: int) -> tuple[SettlementImport, int]:
        """Import a report of one settlement, of which one line in a hundred is wrong in some way, and count its statements."""
        errors = {"amount_mismatch": lines // 200, "duplicated_row": lines // 200}
        recipe = {"lines": lines, "seed": seed, "adjustment_every": 100, "errors": errors}
        load_truth(order, synthesise(sandbox, "truth", **recipe))
        report = download(sandbox, "report", **recipe)
        with CaptureQueriesContext(connection) as queries:
            done = import_csv(report, now=clock.now() + timedelta(days=6))
        connection.check_constraints()
        return done, count_statements(queries)

    def test_takes_as_many_statements_for_a_thousand_lines_as_for_two_hundred(
        self, sandbox: Any, shop: Any, owner: Any
    ) -> None:
        ledger_accounts.set_up_reference_data(now=clock.now())

        few, of_few = self.count(sandbox, make_order(owner), lines=200, seed=3)
        many, of_many = self.count(sandbox, make_order(owner), lines=1_000, seed=4)

        assert (few.lines_added, few.exceptions_opened) == (201, 4)
        assert (many.lines_added, many.exceptions_opened) == (1_005, 20)
        assert (of_few, of_many) == (36, 36)

    def test_opens_exceptions_in_batches_of_any_size(
        self, shop: Any, sandbox: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(matching, "_EXCEPTIONS_AT_ONCE", 2)

        done = import_csv(as_csv(*(line(f"adj_{n:014d}", "adjustment", credit=100, amount=100) for n in range(5))))

        assert (done.lines_added, done.exceptions_opened) == (5, 5)
        opened = ReconciliationException.objects.filter(reason="unknown_adjustment")
        assert set(opened.values_list("line_id", flat=True)) == set(SettlementLine.objects.values_list("pk", flat=True))
        assert Event.objects.filter(subject_id__in=opened.values("pk")).count() == 5
        assert violated(*INVARIANTS) == []


class TestFeesOfImport:
    def test_are_audited_in_groups_of_settlements_with_a_batch_of_lines(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(fee_audit, "_BATCH", 10)
        monkeypatch.setattr(fee_audit, "_MAX_SETTLEMENTS", 3)
        lines = dict(zip("abcdefgh", (4, 6, 12, 0, 0, 1, 0, 3), strict=True))

        groups = list(fee_audit._in_groups(lines))  # type: ignore[arg-type]

        assert groups == [["a", "b"], ["c"], ["d", "e", "f"], ["g", "h"]]


class TestClaim:
    @pytest.mark.django_db
    def test_is_extended_between_batches_only_when_it_is_old(self, monkeypatch: pytest.MonkeyPatch) -> None:
        now, passed = clock.now(), [100.0]
        report = SettlementImport.objects.create(gateway="razorpay", source="csv", fingerprint="f", requested_by="s")
        monkeypatch.setattr(import_claims.time, "monotonic", lambda: passed[0])
        claim = ImportClaim(report, now=now)
        assert claim.take()

        def renewed_after(seconds: float) -> timedelta:
            passed[0] += seconds
            claim.renew()
            report.refresh_from_db()
            assert report.claimed_until is not None
            return report.claimed_until - now - import_claims.CLAIM_TTL

        assert [renewed_after(20), renewed_after(11), renewed_after(30), renewed_after(1)] == [
            timedelta(0), timedelta(seconds=31), timedelta(seconds=31), timedelta(seconds=62),
        ]  # fmt: skip


@pytest.mark.django_db
class TestBankStatement:
    def test_takes_six_statements_for_each_batch_of_lines(self, shop: Any) -> None:
        def count(lines: int, *, first: int) -> int:
            rows = [(-236 if n % 2 else 1_00 + n, "NEFT CHARGES" if n % 2 else f"UPI {n}") for n in range(lines)]
            with CaptureQueriesContext(connection) as queries:
                done = import_statement(statement(*rows, first=first))
            assert done.lines_added == lines
            return count_statements(queries)

        assert (count(1, first=10**8), count(500, first=2 * 10**8), count(1_000, first=3 * 10**8)) == (21, 21, 27)

    def test_keeps_the_order_of_the_file_whatever_is_booked_together(self, shop: Any) -> None:
        made = make_settlement(amount=500, lines_amount=500, parts=1, utr="UTR2000002")
        raw = statement((-236, "NEFT CHARGES"), (500, "NEFT/UTR2000002/RAZORPAY"), (700, "UPI RENT"), (-300, "RENT"))

        done = import_statement(raw)

        assert (done.lines_added, done.exceptions_opened) == (4, 2)
        booked = BankLine.objects.order_by("pk").values_list("kind", "amount", "settlement_id")
        assert list(booked) == [
            ("charge", -236, None), ("settlement", 500, made.pk), ("suspense", 700, None), ("suspense", -300, None),
        ]  # fmt: skip
        assert LedgerTransaction.objects.filter(source_type="settlements.bankline").count() == 4

    def test_a_batch_that_breaks_off_leaves_nothing_of_it(self, shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        import_statement(statement((100, "BEFORE")))
        before = (BankLine.objects.count(), LedgerTransaction.objects.count(), Event.objects.count())

        def crash(*_: Any, **__: Any) -> int:
            raise KeyboardInterrupt

        monkeypatch.setattr(bank_lines.ledger, "open_exceptions", crash)
        raw = statement((200, "ONE"), (-236, "NEFT CHARGES"), first=5_000_000)
        with pytest.raises(KeyboardInterrupt):
            import_statement(raw)

        left = (BankLine.objects.count(), LedgerTransaction.objects.count())
        assert left == before[:2]
        monkeypatch.undo()
        assert import_statement(raw).lines_added == 2


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_two_statements_with_the_same_lines_in_opposite_orders_book_each_once(reference_data: None) -> None:
    ledger_accounts.set_up_reference_data(now=clock.now())
    head, *lines = statement(*((100 + n, f"UPI {n}") for n in range(300))).decode().splitlines(keepends=True)
    one, other = "".join([head, *lines]).encode(), "".join([head, *reversed(lines)]).encode()

    results = run_together(lambda: import_statement(one), lambda: import_statement(other))

    assert [result for result in results if isinstance(result, Exception)] == []
    assert sum(result.lines_added for result in results) == 300 == BankLine.objects.count()
    assert ReconciliationException.objects.count() == 300
    assert LedgerTransaction.objects.filter(source_type="settlements.bankline").count() == 300
    assert bank_statements._BATCH > 300
