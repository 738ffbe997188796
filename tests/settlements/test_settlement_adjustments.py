"""Lines of a settlement that are no payment and no refund: adjustments, transfers, prepaid credits, and kinds nobody knows."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from apps.core import audit, clock
from apps.core.events import SYSTEM
from apps.core.models import Event
from apps.core.money import rupees
from apps.ledger import selectors as ledger
from apps.ledger import services as ledger_services
from apps.ledger.models import LedgerTransaction, ReconciliationException
from apps.payments.models import Dispute, PaymentAttempt
from apps.settlements.models import SettlementImport, SettlementLine
from apps.settlements.services import exception_resolution, matching, receivables, reconciliation, report_imports
from apps.settlements.sql.receivables import HAS_NO_OPEN_EXCEPTION
from tests.factories.catalog import make_registration
from tests.factories.orders import make_order
from tests.factories.payments import make_dispute, make_gateway_dispute, pay
from tests.support.gateway_payments import make_orders_paid_at_gateway
from tests.support.settlements import amounts, as_csv, found, import_csv, line, line_of, violated

pytestmark = pytest.mark.django_db

RECEIVABLE = "gateway_receivable:razorpay"
FEES = "gateway_fees:razorpay"
INVARIANTS = (
    "INV-21", "INV-21b", "INV-21d", "INV-21e", "INV-26", "INV-26b", "INV-26c", "INV-28", "INV-28c", "INV-28e", "INV-49",
)  # fmt: skip


@pytest.fixture
def paid(shop: Any, owner: Any, sandbox: Any) -> PaymentAttempt:
    return pay(make_order(owner))


def adjustment(number: int, *, debit: int = 0, credit: int = 0, **said: Any) -> dict[str, Any]:
    return line(
        f"adj_{number:014d}", "adjustment", amount=abs(credit - debit), debit=debit, credit=credit, **said
    )  # fmt: skip


def posted() -> dict[str, int]:
    return amounts(LedgerTransaction.objects.get(source_type="settlements.settlement"))


class TestAdjustment:
    def test_one_about_nothing_is_held_in_suspense(self, paid: PaymentAttempt) -> None:
        report = adjustment(1, debit=50_000_00, description="Negative balance recovery")

        done = import_csv(as_csv(report))

        assert found() == [("unknown_adjustment", "adj_00000000000001", 50_000_00)]
        assert posted() == {"settlement_in_transit": -50_000_00, "suspense": 50_000_00}
        assert (done.exceptions_opened, ledger.balance_of(RECEIVABLE)) == (1, paid.amount)
        assert ReconciliationException.objects.get().description == (
            "This adjustment of -₹50,000.00 names no payment or dispute in Bahi. The gateway describes it as “Negative"
            " balance recovery”."
        )
        assert violated(*INVARIANTS) == []
        connection.check_constraints()

    @pytest.mark.parametrize(
        "names",
        [
            {"payment_id": "pay_NobodyKnows001", "dispute_id": "disp_NobodyKnows01"},
            {"payment_id": "pay_NobodyKnows001"},
            {"dispute_id": "disp_NobodyKnows01"},
        ],
    )
    def test_one_for_a_payment_or_dispute_that_we_do_not_hold_is_held_in_suspense(
        self, paid: PaymentAttempt, names: dict[str, str]
    ) -> None:
        import_csv(as_csv(adjustment(1, debit=700, **names)))

        assert found() == [("unknown_adjustment", "adj_00000000000001", 700)]
        assert ledger.balance_of(RECEIVABLE) == paid.amount
        assert SettlementLine.objects.get().attempt_id is None
        assert violated(*INVARIANTS) == []

    def test_one_for_a_payment_of_ours_clears_what_is_owed_of_it(self, paid: PaymentAttempt) -> None:
        import_csv(
            as_csv(adjustment(1, debit=700, payment_id=paid.gateway_payment_id, dispute_id="disp_NobodyKnows01"))
        )

        assert found() == []
        assert posted() == {"settlement_in_transit": -700, RECEIVABLE: 700}
        assert SettlementLine.objects.get().attempt_id == paid.pk
        assert violated(*INVARIANTS) == []

    def test_one_that_names_only_a_dispute_of_ours_is_of_its_payment(self, paid: PaymentAttempt, owner: Any) -> None:
        other = pay(make_order(owner))
        make_dispute(other, amount_deducted=0)
        dispute = make_dispute(paid, amount_deducted=paid.amount)

        import_csv(as_csv(line_of(paid), adjustment(1, debit=paid.amount, dispute_id=dispute.gateway_dispute_id)))

        assert found() == []
        assert ledger.balance_of(RECEIVABLE) == other.amount
        assert SettlementLine.objects.get(kind="adjustment").attempt_id == paid.pk
        assert violated(*INVARIANTS) == []

    def test_one_for_a_dispute_whose_webhook_was_lost_is_asked_about(
        self, paid: PaymentAttempt, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        facts = make_gateway_dispute(paid, amount_deducted=paid.amount)
        monkeypatch.setattr(
            "apps.payments.gateways.razorpay.adapter.Razorpay.get_dispute", lambda self, *, gateway_dispute_id: facts
        )

        import_csv(as_csv(line_of(paid), adjustment(1, debit=paid.amount, dispute_id=facts.id)))

        assert found() == []
        assert Dispute.objects.get().gateway_dispute_id == facts.id
        assert ledger.balance_of(RECEIVABLE) == 0
        assert violated(*INVARIANTS) == []

    def test_one_whose_dispute_is_about_another_payment_is_held_in_suspense(
        self, paid: PaymentAttempt, owner: Any
    ) -> None:
        other = pay(make_order(owner))
        dispute = make_dispute(other)

        import_csv(
            as_csv(
                adjustment(1, debit=700, payment_id=paid.gateway_payment_id, dispute_id=dispute.gateway_dispute_id),
                adjustment(2, debit=900, payment_id="pay_NobodyKnows001", dispute_id=dispute.gateway_dispute_id),
                adjustment(3, debit=400, payment_id=other.gateway_payment_id, currency="USD"),
            )
        )

        assert found() == [
            ("unknown_adjustment", f"adj_{number:014d}", held) for number, held in ((1, 700), (2, 900), (3, 400))
        ]
        assert ledger.balance_of(RECEIVABLE) == paid.amount + other.amount

    def test_one_of_a_payment_does_not_count_as_its_settlement(self, paid: PaymentAttempt) -> None:
        later = clock.now() + timedelta(days=6)
        import_csv(as_csv(adjustment(1, debit=700, payment_id=paid.gateway_payment_id)))

        assert matching.open_missing_line_exceptions(now=later) == 1
        assert found() == [("missing_line", paid.gateway_payment_id, 0)]

    @pytest.mark.parametrize(
        ("resolution", "account"), [("written_off", FEES), ("paid_outside", "other_bank_movements")]
    )
    def test_staff_decide_where_its_money_went(self, paid: PaymentAttempt, resolution: str, account: str) -> None:
        import_csv(as_csv(adjustment(1, debit=50_000_00)))
        before = ledger.balance_of(account)

        ledger_services.resolve_exception(
            exception_id=ReconciliationException.objects.get().pk, resolution=resolution, note="Razorpay's notice of 20 Nov",
            actor=SYSTEM, now=clock.now(),
        )  # fmt: skip

        assert (ledger.balance_of("suspense"), ledger.balance_of(account)) == (0, before + 50_000_00)
        assert violated(*INVARIANTS) == []

    def test_it_is_booked_once_however_often_it_is_read(self, paid: PaymentAttempt) -> None:
        report = as_csv(adjustment(1, debit=700), line_of(paid))
        import_csv(report)

        again = import_csv(report.replace(b"\n", b"\r\n"))

        assert (again.lines_added, again.exceptions_opened) == (0, 0)
        assert ledger.balance_of("suspense") == 700


class TestUnknownKind:
    def test_its_line_is_held_and_the_rest_is_booked(self, paid: PaymentAttempt) -> None:
        done = import_csv(as_csv(line("gift_0000000000001", "gift", amount=500, credit=500), line_of(paid)))

        assert (done.status, done.lines_added) == ("completed", 2)
        assert found() == [("unknown_kind", "gift_0000000000001", -500)]
        assert posted() == {
            "settlement_in_transit": paid.amount - paid.fee_amount + 500, FEES: paid.fee_amount - paid.fee_tax_amount,
            "input_gst": paid.fee_tax_amount, RECEIVABLE: -paid.amount, "suspense": -500,
        }  # fmt: skip
        held = SettlementLine.objects.get(problem="unknown_kind")
        assert (held.kind, held.reported_kind, held.held_amount) == ("other", "gift", -500)
        assert violated(*INVARIANTS) == []

    def test_a_line_without_an_id_is_known_again_by_what_it_says(self, paid: PaymentAttempt) -> None:
        report = as_csv(line("", "settlement.ondemand", amount=900, debit=900), line("", "", amount=20, debit=20))
        import_csv(report)

        again = import_csv(report.replace(b"\n", b"\r\n"))

        assert [(reason, held) for reason, _, held in found()] == [("unknown_kind", 900), ("unknown_kind", 20)]
        assert (again.lines_added, ledger.balance_of("suspense")) == (0, 920)

    def test_equal_lines_without_an_id_are_one_only_at_the_same_time(self, paid: PaymentAttempt) -> None:
        fee = line("", "platform_fee", amount=900, debit=900)
        later = fee | {"created_at": fee["created_at"] + 1}

        import_csv(as_csv(fee, later, fee))

        assert sorted(found()) == sorted(
            [(reason, SettlementLine.objects.first().entity_id, held)  # type: ignore[union-attr]
             for reason, held in (("unknown_kind", 900), ("unknown_kind", 900), ("duplicated_line", 0))]
        )  # fmt: skip
        assert (ledger.balance_of("settlement_in_transit"), ledger.balance_of("suspense")) == (-1_800, 1_800)

    def test_a_line_of_a_known_kind_that_cannot_be_read_still_stops_the_report(self, paid: PaymentAttempt) -> None:
        with pytest.raises(report_imports.ReportUnreadable, match="line 3: credit is not in paise: '5x'"):
            import_csv(as_csv(line_of(paid), adjustment(1, debit=5, credit=0) | {"credit": "5x"}))

        assert SettlementImport.objects.get().status == "failed"
        assert SettlementLine.objects.count() == 0


class TestLineAboutAPayment:
    """A line whose entity is the payment that it is about, and that is not the payment's own."""

    @pytest.mark.parametrize("kind", ["chargeback_fee", "adjustment", "transfer"])
    @pytest.mark.parametrize("is_first", [True, False])
    def test_it_leaves_the_payments_own_line_in_the_same_settlement(
        self, paid: PaymentAttempt, kind: str, is_first: bool
    ) -> None:
        charge = line(paid.gateway_payment_id, kind, amount=500, debit=500)

        import_csv(as_csv(*([charge, line_of(paid)] if is_first else [line_of(paid), charge])))

        held = {"chargeback_fee": ["unknown_kind"], "adjustment": ["unknown_adjustment"], "transfer": []}[kind]
        assert found() == [(reason, paid.gateway_payment_id, 500) for reason in held]
        assert (ledger.balance_of(RECEIVABLE), ledger.balance_of("settlement_in_transit")) == (0, 48_402)
        assert violated(*INVARIANTS) == []

    @pytest.mark.parametrize("kind", ["reserve_hold", "adjustment", "transfer"])
    def test_it_leaves_the_payments_own_line_in_a_later_settlement(self, paid: PaymentAttempt, kind: str) -> None:
        import_csv(as_csv(line(paid.gateway_payment_id, kind, amount=500, debit=500)))

        import_csv(as_csv(line_of(paid, settlement_id="setl_00000000000002")))

        assert "duplicated_line" not in [reason for reason, _, _ in found()]
        assert (ledger.balance_of(RECEIVABLE), ledger.balance_of("settlement_in_transit")) == (0, 48_402)

    def test_lines_of_two_unknown_kinds_are_both_held_and_each_once(self, paid: PaymentAttempt) -> None:
        report = as_csv(*(line(paid.gateway_payment_id, kind, amount=500, debit=500) for kind in ("hold", "charge")))
        import_csv(report)

        again = import_csv(report.replace(b"\n", b"\r\n"))

        assert found() == [("unknown_kind", paid.gateway_payment_id, 500)] * 2
        assert (again.lines_added, ledger.balance_of("suspense")) == (0, 1_000)

    def test_it_does_not_explain_where_the_payments_own_line_is(self, paid: PaymentAttempt) -> None:
        later = clock.now() + timedelta(days=6)
        import_csv(as_csv(adjustment(1, debit=5, credit_type="fee")))
        matching.open_missing_line_exceptions(now=later)
        missed = ReconciliationException.objects.get()

        import_csv(as_csv(line(paid.gateway_payment_id, "reserve_hold", amount=500, debit=500)), now=later)

        missed.refresh_from_db()
        assert missed.resolved_at is None


def test_a_transfer_that_moved_nothing_is_held_as_one_that_came_back(paid: PaymentAttempt) -> None:
    # Its sign is that of a credit: `STAGED_LINES` takes a line as a debit only if it debits more than it credits.
    import_csv(as_csv(line("trf_00000000000001", "transfer", amount=500)))

    assert found() == [("credit_mismatch", "trf_00000000000001", 500)]
    assert (SettlementLine.objects.get().transfer_amount, ledger.balance_of("suspense")) == (-500, 500)
    assert violated(*INVARIANTS) == []


class TestFeeCredits:
    def test_a_payment_that_is_settled_in_full_takes_its_fee_from_them(self, paid: PaymentAttempt) -> None:
        import_csv(as_csv(line_of(paid, credit=paid.amount, credit_type="fee")))

        fee, tax = paid.fee_amount, paid.fee_tax_amount
        assert found() == []
        assert posted() == {
            "settlement_in_transit": paid.amount,
            RECEIVABLE: -paid.amount,
            "input_gst": tax,
            FEES: -tax,
        }
        booked = SettlementLine.objects.get()
        assert (booked.fee_amount, booked.tax_amount, booked.fee_credit_amount, booked.held_amount) == (
            fee,
            tax,
            fee,
            0,
        )
        assert ledger.balance_of("suspense") == 0
        assert violated(*INVARIANTS) == []

    def test_they_may_reach_for_a_part_of_the_fee(self, paid: PaymentAttempt) -> None:
        import_csv(as_csv(line_of(paid, credit=paid.amount - 100, credit_type="fee")))

        assert found() == []
        assert SettlementLine.objects.get().fee_credit_amount == paid.fee_amount - 100
        assert ledger.balance_of(RECEIVABLE) == 0

    @pytest.mark.parametrize(("credit_type", "beyond"), [("default", 0), ("fee", 1), ("", 0)])
    def test_more_than_they_can_pay_is_an_exception(self, paid: PaymentAttempt, credit_type: str, beyond: int) -> None:
        credit = paid.amount + beyond

        import_csv(as_csv(line_of(paid, credit=credit, credit_type=credit_type)))

        assert found() == [("credit_mismatch", paid.gateway_payment_id, -beyond - paid.fee_amount)]
        assert violated(*INVARIANTS) == []

    def test_an_adjustment_of_them_corrects_no_payment_even_if_it_names_one(self, paid: PaymentAttempt) -> None:
        import_csv(as_csv(adjustment(1, debit=500, credit_type="fee", payment_id=paid.gateway_payment_id)))

        assert found() == []
        assert (SettlementLine.objects.get().attempt_id, ledger.balance_of(RECEIVABLE)) == (None, paid.amount)
        assert violated(*INVARIANTS) == []

    def test_an_adjustment_of_them_changes_the_fees(self, paid: PaymentAttempt) -> None:
        import_csv(
            as_csv(adjustment(1, credit=500, credit_type="fee"), adjustment(2, debit=2_000, credit_type="fee"))
        )  # fmt: skip

        assert found() == []
        assert posted() == {"settlement_in_transit": -1_500, FEES: 1_500}
        assert violated(*INVARIANTS) == []


class TestTransfer:
    def test_money_for_a_linked_account_goes_to_transfers_payable(self, paid: PaymentAttempt) -> None:
        transfer = line("trf_00000000000001", "transfer", amount=100_000, debit=100_296, fee=296, tax=46,
                        payment_id=paid.gateway_payment_id)  # fmt: skip

        import_csv(as_csv(transfer))

        assert found() == []
        assert posted() == {"settlement_in_transit": -100_296, FEES: 250, "input_gst": 46, "transfers_payable": 100_000}
        assert ledger.balance_of(RECEIVABLE) == paid.amount
        assert violated(*INVARIANTS) == []

    def test_its_reversal_brings_it_back(self, paid: PaymentAttempt) -> None:
        import_csv(
            as_csv(
                line("trf_00000000000001", "transfer", amount=100_000, debit=100_000),
                line("rvrsl_000000000001", "reversal", amount=40_000, credit=40_000),
            )
        )

        assert found() == []
        assert ledger.balance_of("transfers_payable") == 60_000
        assert violated(*INVARIANTS) == []

    def test_one_that_does_not_add_up_is_an_exception_for_the_difference(self, paid: PaymentAttempt) -> None:
        import_csv(as_csv(line("trf_00000000000001", "transfer", amount=100_000, debit=100_400, fee=296, tax=46)))

        assert found() == [("credit_mismatch", "trf_00000000000001", 104)]
        assert ledger.balance_of("transfers_payable") == 100_000
        assert violated(*INVARIANTS) == []


class TestOverdueReceivable:
    """What the gateway has owed for too long has an open item that says why."""

    @pytest.fixture
    def owed(self, paid: PaymentAttempt) -> PaymentAttempt:
        """Return a settled payment that an adjustment has taken ₹7.00 of, without any dispute that explains it."""
        import_csv(as_csv(line_of(paid), adjustment(1, debit=700, payment_id=paid.gateway_payment_id)))
        return paid

    @staticmethod
    def violated_at(now: Any) -> list[str]:
        return [result.invariant.id for result in audit.run(now=now, only=("INV-26c", "INV-26d")).failing]

    def test_it_is_found_by_the_audit_until_there_is_an_exception(self, owed: PaymentAttempt) -> None:
        soon, late = clock.now() + timedelta(days=9), clock.now() + timedelta(days=12)

        assert receivables.open_overdue_receivable_exceptions(now=soon) == 0
        assert (self.violated_at(soon), self.violated_at(late)) == ([], ["INV-26d"])

        assert receivables.open_overdue_receivable_exceptions(now=late) == 1
        assert receivables.open_overdue_receivable_exceptions(now=late) == 0
        assert self.violated_at(late) == []
        exception = ReconciliationException.objects.get()
        assert (exception.reason, exception.attempt_id, exception.expected_amount, exception.held_amount) == (
            "receivable_overdue", owed.pk, 700, 0,
        )  # fmt: skip

    @pytest.mark.parametrize(
        ("resolution", "account"), [("written_off", FEES), ("paid_outside", "other_bank_movements")]
    )
    def test_a_decision_moves_it_out_of_what_is_owed(self, owed: PaymentAttempt, resolution: str, account: str) -> None:
        late = clock.now() + timedelta(days=12)
        receivables.open_overdue_receivable_exceptions(now=late)
        before = ledger.balance_of(account)

        ledger_services.resolve_exception(
            exception_id=ReconciliationException.objects.get().pk, resolution=resolution, note="asked Razorpay", actor=SYSTEM,
            now=late,
        )  # fmt: skip

        assert (ledger.balance_of(RECEIVABLE), ledger.balance_of(account)) == (0, before + 700)
        assert violated("INV-25e", *INVARIANTS) == []
        assert receivables.open_overdue_receivable_exceptions(now=late + timedelta(days=30)) == 0
        assert self.violated_at(late + timedelta(days=30)) == []

    @pytest.mark.parametrize("resolution", ["noted", "cleared"])
    def test_a_decision_that_leaves_it_owed_is_refused(self, owed: PaymentAttempt, resolution: str) -> None:
        late = clock.now() + timedelta(days=12)
        receivables.open_overdue_receivable_exceptions(now=late)
        exception = ReconciliationException.objects.get()

        with pytest.raises(exception_resolution.ReceivableOutstanding, match=r"₹7\.00 of pay_\w+ is still owed\."):
            ledger_services.resolve_exception(
                exception_id=exception.pk, resolution=resolution, note="it will come", actor=SYSTEM, now=late
            )

        exception.refresh_from_db()
        assert (exception.resolved_at, ledger.balance_of(RECEIVABLE)) == (None, 700)

    def test_it_closes_when_the_correction_comes(self, owed: PaymentAttempt) -> None:
        late = clock.now() + timedelta(days=12)
        receivables.open_overdue_receivable_exceptions(now=late)

        import_csv(
            as_csv(adjustment(2, credit=700, payment_id=owed.gateway_payment_id, settlement_id="setl_00000000000002")),
            now=late,
        )

        assert ReconciliationException.objects.get().resolution == "arrived"
        assert ledger.balance_of(RECEIVABLE) == 0
        assert self.violated_at(late + timedelta(days=30)) == []

    def test_another_sum_is_not_decided_by_an_exception_about_the_former(self, owed: PaymentAttempt) -> None:
        late = clock.now() + timedelta(days=12)
        receivables.open_overdue_receivable_exceptions(now=late)
        exception = ReconciliationException.objects.get()
        make_dispute(owed, id="disp_1", amount=300, amount_deducted=300)
        make_dispute(owed, id="disp_1", amount=300, amount_deducted=300, status="lost")

        with pytest.raises(exception_resolution.ReceivableChanged, match=r"now owes ₹4\.00 of .*, no longer ₹7\.00"):
            ledger_services.resolve_exception(
                exception_id=exception.pk, resolution="written_off", note="x", actor=SYSTEM, now=late
            )

        assert receivables.open_overdue_receivable_exceptions(now=late + timedelta(days=12)) == 1
        assert list(ReconciliationException.objects.order_by("pk").values_list("resolution", "expected_amount")) == [
            ("arrived", 700), ("", 400),
        ]  # fmt: skip

    def test_an_undecided_dispute_explains_it(self, paid: PaymentAttempt) -> None:
        import_csv(as_csv(line_of(paid)))
        make_dispute(paid, amount_deducted=paid.amount)
        late = clock.now() + timedelta(days=12)

        assert receivables.open_overdue_receivable_exceptions(now=late) == 0
        assert self.violated_at(late) == []

    @pytest.mark.parametrize(("is_about_a_payment", "reason"), [(False, "unknown_kind"), (True, "missing_line")])
    def test_what_is_owed_of_no_payment_is_not_explained_by_another_exception(
        self, paid: PaymentAttempt, is_about_a_payment: bool, reason: str
    ) -> None:
        import_csv(as_csv(line("adj_00000000000009", "adjustment", amount=5, debit=5, credit_type="fee")))
        if is_about_a_payment:
            matching.open_missing_line_exceptions(now=clock.now() + timedelta(days=6))
        else:
            import_csv(as_csv(line("hold_0000000000001", "hold", amount=5, debit=5)))
        assert [name for name, _, _ in found()] == [reason]

        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {HAS_NO_OPEN_EXCEPTION} FROM (SELECT NULL::uuid AS attempt_id) receivable")

            assert cursor.fetchone() == (True,)

    def test_it_is_owed_since_it_last_changed(self, paid: PaymentAttempt) -> None:
        now = clock.now()
        import_csv(as_csv(line_of(paid)), now=now)
        more = adjustment(1, debit=700, payment_id=paid.gateway_payment_id, settlement_id="setl_00000000000002")
        import_csv(as_csv(more), now=now + timedelta(days=9))

        opened = [
            receivables.open_overdue_receivable_exceptions(now=now + timedelta(days=days)) for days in (12, 18, 20)
        ]

        assert opened == [0, 0, 1]

    def test_captured_money_of_which_no_settlement_is_known_is_owed_too(self, paid: PaymentAttempt) -> None:
        import_csv(as_csv(line("adj_00000000000009", "adjustment", amount=5, debit=5, credit_type="fee")))
        late = clock.now() + timedelta(days=12)
        assert self.violated_at(late) == ["INV-26d"]

        assert receivables.open_overdue_receivable_exceptions(now=late) == 1
        assert self.violated_at(late) == []
        import_csv(as_csv(line_of(paid, settlement_id="setl_00000000000002")), now=late)
        assert (found(), ReconciliationException.objects.get().resolution) == (
            [("receivable_overdue", paid.gateway_payment_id, 0)], "arrived",
        )  # fmt: skip


class TestNoSettlementImported:
    """A shop that has never imported a settlement has one exception about all that the gateway owes, and no flood of them."""

    @pytest.fixture
    def owed(self, owner: Any, paid: PaymentAttempt) -> list[PaymentAttempt]:
        return [paid, *(pay(make_order(owner)) for _ in range(2))]

    @pytest.fixture
    def late(self) -> Any:
        return clock.now() + timedelta(days=12)

    @staticmethod
    def violated_at(now: Any) -> list[str]:
        return [result.invariant.id for result in audit.run(now=now, only=("INV-26c", "INV-26d", "INV-28c")).failing]

    def test_opens_one_exception_about_all_that_is_owed(self, owed: list[PaymentAttempt], late: Any) -> None:
        assert receivables.open_overdue_receivable_exceptions(now=clock.now() + timedelta(days=9)) == 0
        assert self.violated_at(late) == ["INV-26d"]

        assert receivables.open_overdue_receivable_exceptions(now=late) == 1
        assert receivables.open_overdue_receivable_exceptions(now=late + timedelta(hours=6)) == 0

        exception = ReconciliationException.objects.get()
        total = sum(attempt.amount for attempt in owed)
        assert (exception.reason, exception.expected_amount, exception.held_amount) == (
            "settlements_not_imported", total, 0,
        )  # fmt: skip
        assert exception.description.startswith("No settlement of Razorpay has been imported yet. On ")
        assert f"Razorpay owed {rupees(total)} of payments (3) that are overdue" in exception.description
        assert self.violated_at(late) == []

    def test_is_not_resolved_by_a_decision(self, owed: list[PaymentAttempt], late: Any) -> None:
        receivables.open_overdue_receivable_exceptions(now=late)
        exception = ReconciliationException.objects.get()
        before = LedgerTransaction.objects.count()

        for resolution in ("noted", "written_off", "cleared", "paid_outside"):
            with pytest.raises(exception_resolution.SettlementsNotImported, match="Import its settlements"):
                ledger_services.resolve_exception(
                    exception_id=exception.pk, resolution=resolution, note="x", actor=SYSTEM, now=late
                )

        exception.refresh_from_db()
        assert (exception.resolved_at, LedgerTransaction.objects.count()) == (None, before)

    def test_closes_once_each_payment_has_an_item_of_its_own(
        self, owed: list[PaymentAttempt], late: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("apps.settlements.services.receivables._MAX_OPENED", 1)
        receivables.open_overdue_receivable_exceptions(now=late)
        import_csv(as_csv(line_of(owed[0])), now=late)
        assert self.violated_at(late) == []

        opened = [receivables.open_overdue_receivable_exceptions(now=late) for _ in range(3)]

        reasons = ReconciliationException.objects.order_by("pk").values_list("reason", "resolution")
        assert opened == [1, 1, 0]
        assert list(reasons) == [
            ("settlements_not_imported", "arrived"), ("receivable_overdue", ""), ("receivable_overdue", ""),
        ]  # fmt: skip
        assert self.violated_at(late) == []

    def test_nothing_overdue_opens_nothing(self, paid: PaymentAttempt) -> None:
        assert receivables.open_overdue_receivable_exceptions(now=clock.now()) == 0
        assert ReconciliationException.objects.count() == 0


class TestMissingLine:
    """A payment without a line is still owed: a decision about it moves that, and its line is not booked a second time."""

    @pytest.fixture
    def missed(self, paid: PaymentAttempt) -> ReconciliationException:
        import_csv(as_csv(adjustment(1, debit=5, credit_type="fee")))
        matching.open_missing_line_exceptions(now=clock.now() + timedelta(days=6))
        return ReconciliationException.objects.get()

    def resolve(self, missed: ReconciliationException, resolution: str) -> None:
        ledger_services.resolve_exception(
            exception_id=missed.pk, resolution=resolution, note="x", actor=SYSTEM, now=clock.now()
        )

    @pytest.mark.parametrize("resolution", ["noted", "cleared"])
    def test_it_is_not_closed_while_the_money_is_owed(
        self, paid: PaymentAttempt, missed: ReconciliationException, resolution: str
    ) -> None:
        with pytest.raises(exception_resolution.ReceivableOutstanding):
            self.resolve(missed, resolution)

        missed.refresh_from_db()
        assert (missed.resolved_at, ledger.balance_of(RECEIVABLE)) == (None, paid.amount)

    def test_finance_reads_over_http_what_is_still_owed(
        self, paid: PaymentAttempt, missed: ReconciliationException, finance: Any, support: Any, client_of: Any
    ) -> None:
        url, body = (
            f"/api/v1/reconciliation/exceptions/{missed.public_id}/resolve",
            {"resolution": "noted", "note": "x"},
        )
        before = Event.objects.count()

        answer = client_of(finance).post(url, body, format="json", headers={"Idempotency-Key": "key-of-finance-9"})
        refused = client_of(support).post(url, body, format="json", headers={"Idempotency-Key": "key-of-support-9"})

        assert (answer.status_code, answer.json()["error"]["code"], refused.status_code) == (
            409,
            "receivable_outstanding",
            403,
        )
        assert f"{rupees(paid.amount)} of {paid.gateway_payment_id} is still owed." in answer.json()["error"]["message"]
        assert Event.objects.count() == before

    def test_a_payment_that_came_otherwise_is_a_bank_movement_less_its_fee(
        self, paid: PaymentAttempt, missed: ReconciliationException
    ) -> None:
        self.resolve(missed, "paid_outside")

        assert ledger.balance_of(RECEIVABLE) == 0
        assert ledger.balance_of("other_bank_movements") == paid.amount - paid.fee_amount
        assert ledger.balance_of("settlement_in_transit") == -5
        assert violated(*INVARIANTS) == []

    def test_its_line_that_comes_after_all_is_a_second_settlement(
        self, paid: PaymentAttempt, missed: ReconciliationException
    ) -> None:
        self.resolve(missed, "written_off")
        assert ledger.balance_of(RECEIVABLE) == 0

        import_csv(as_csv(line_of(paid, settlement_id="setl_00000000000002")))

        credit = paid.amount - paid.fee_amount
        assert found()[1:] == [("duplicated_line", paid.gateway_payment_id, -credit)]
        assert ledger.balance_of(RECEIVABLE) == 0
        assert violated(*INVARIANTS) == []


@pytest.mark.django_db(transaction=True)
def test_a_settlement_of_all_kinds_of_lines_is_booked_to_the_paisa(
    reference_data: None, owner: Any, sandbox: Any
) -> None:
    make_registration()
    orders = make_orders_paid_at_gateway(owner, sandbox, 3)
    captured = sum(order.total_amount for order in orders)
    attempts = list(PaymentAttempt.objects.filter(status="captured").order_by("pk"))
    first_fee, first_tax = attempts[0].fee_amount or 0, attempts[0].fee_tax_amount or 0
    sandbox.control("POST", "/knobs/razorpay", {"fee_credits": first_fee})
    sandbox.control("POST", "/adjustments", {"amount": -5_000, "description": "Negative balance recovery"})
    sandbox.control("POST", "/adjustments", {"amount": -700, "dispute_id": "disp_NobodyKnows01"})
    sandbox.control("POST", "/adjustments", {"amount": 300, "type": "gift"})
    sandbox.control("POST", "/adjustments", {"amount": 400, "credit_type": "fee"})
    sandbox.control(
        "POST", "/transfers", {"payment_id": attempts[0].gateway_payment_id, "amount": 1_000, "fee": 30, "tax": 5}
    )
    settled = sandbox.control("POST", "/settlements/run", {"due_only": False})["settlement"]
    now = clock.now()
    asked = reconciliation.request_settlement_import(day=clock.ist_date(now), actor=SYSTEM, now=now)

    done = reconciliation.import_settlements(import_id=asked.pk, now=now)

    assert (done.status, done.lines_added, done.exceptions_opened) == ("completed", 8, 3)
    assert sorted(reason for reason, _, _ in found()) == ["unknown_adjustment", "unknown_adjustment", "unknown_kind"]
    fees = sum(attempt.fee_amount or 0 for attempt in attempts)
    taxes = sum(attempt.fee_tax_amount or 0 for attempt in attempts)
    balances = {
        code: ledger.balance_of(code)
        for code in ("settlement_in_transit", "suspense", "transfers_payable", "input_gst", FEES, RECEIVABLE)
    }
    assert balances == {
        "settlement_in_transit": settled["amount"], "suspense": 5_400, "transfers_payable": 1_000, "input_gst": taxes + 5,
        FEES: fees - taxes - first_fee + 25 - 400, RECEIVABLE: 0,
    }  # fmt: skip
    assert settled["amount"] == captured - (fees - first_fee) - 5_000 - 700 + 300 + 400 - 1_030
    assert first_tax > 0
    assert violated("INV-21c", *INVARIANTS) == []
