"""Settlement reports: every line in its place, to the paisa, once; and exactly what is wrong in the queue."""

import gc
import itertools
import os
import sys
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from apps.core import clock
from apps.core.events import SYSTEM
from apps.ledger import selectors as ledger
from apps.ledger import services as ledger_services
from apps.ledger.models import LedgerTransaction, ReconciliationException
from apps.ledger.services import exceptions
from apps.payments.facts import GatewayError, GatewayRefund
from apps.payments.gateways.interface import GatewayOutcomeUnknown
from apps.payments.models import PaymentAttempt, Refund
from apps.payments.services import ledger_accounts
from apps.payments.services.refunds import gateway_updates, requests
from apps.settlements.models import Settlement, SettlementImport, SettlementLine, SettlementReportRow
from apps.settlements.services import matching, reconciliation, report_imports, report_rows
from apps.settlements.services.import_claims import CLAIM_TTL
from tests.factories.orders import make_order
from tests.factories.payments import apply_refund, make_gateway_payment, make_payment, pay
from tests.support.settlements import (
    amounts,
    as_csv,
    counts,
    download,
    found,
    import_csv,
    line,
    line_of,
    load_truth,
    synthesise,
    violated,
)

LINES = int(os.environ.get("SETTLEMENT_LINES", "5000"))
ERRORS = {
    5_000: {
        "amount_mismatch": 5, "fee_mismatch": 5, "credit_mismatch": 5, "missing_row": 5, "duplicated_row": 5,
        "unknown_payment": 3, "sum_mismatch": 2,
    },
    100_000: {
        "amount_mismatch": 44, "fee_mismatch": 44, "credit_mismatch": 43, "missing_row": 43, "duplicated_row": 43,
        "unknown_payment": 43, "sum_mismatch": 40,
    },
}  # fmt: skip
REASONS = {"missing_row": "missing_line", "duplicated_row": "duplicated_line"}


def resident_bytes() -> int:
    """Return how much memory this process has now; 0 where the system does not tell."""
    told = Path("/proc/self/statm")
    return int(told.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if told.exists() else 0


@pytest.mark.django_db
@pytest.mark.timeout(900)
@pytest.mark.skipif(LINES not in ERRORS, reason="SETTLEMENT_LINES is 5000 or 100000")
def test_exactly_what_was_planted_is_in_the_queue(sandbox: Any, shop: Any, owner: Any) -> None:
    with connection.cursor() as cursor:
        # Making a hundred thousand rows up takes longer than a transaction may stand idle.
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
    ledger_accounts.set_up_reference_data(now=clock.now())
    errors = ERRORS[LINES]
    recipe = {"lines": LINES, "errors": errors, "seed": 7}
    load_truth(make_order(owner), synthesise(sandbox, "truth", **recipe))
    planted = synthesise(sandbox, "planted", **recipe)
    report = download(sandbox, "report", **recipe)
    later = clock.now() + timedelta(days=6)

    gc.collect()
    began, memory = time.monotonic(), [resident_bytes()]
    done = import_csv(report, now=later, on_progress=lambda step, count: memory.append(resident_bytes()))
    connection.check_constraints()
    took, grew = time.monotonic() - began, max(memory) - memory[0]
    sys.stdout.write(
        f"{LINES} lines, {len(planted)} errors, {len(report)} bytes: {took:.1f} s, at most {grew >> 20} MB more memory\n"
    )
    assert grew < 100 << 20

    found = Counter(ReconciliationException.objects.values_list("reason", "entity_id"))
    expected = Counter((REASONS.get(row["kind"], row["kind"]), row["entity_id"]) for row in planted)
    assert len(planted) == sum(errors.values())
    assert found == expected
    assert (done.status, done.exceptions_opened) == ("completed", len(planted))
    assert matching.open_missing_line_exceptions(now=later) == 0

    before = counts()
    assert import_csv(report, now=later).pk == done.pk
    again = import_csv(report.replace(b"\n", b"\r\n"), now=later)
    assert (again.pk != done.pk, again.lines_added, again.exceptions_opened) == (True, 0, 0)
    assert counts() == before
    assert before["SettlementReportRow"] == 0

    transferred = sum(Settlement.objects.values_list("amount", flat=True))
    assert ledger.balance_of("settlement_in_transit") == transferred
    assert violated("INV-21", "INV-21b", "INV-21c", "INV-26b", "INV-28c") == []


# One settlement, line by line ----------------------------------------------------------------------------------------


@pytest.fixture
def paid(shop: Any, owner: Any) -> PaymentAttempt:
    return pay(make_order(owner))


@pytest.mark.django_db
def test_a_payment_is_booked_with_its_fee_and_the_gst_on_it(paid: Any, sandbox: Any) -> None:
    fee, tax = paid.fee_amount, paid.fee_tax_amount

    import_csv(as_csv(line_of(paid)))

    settlement = Settlement.objects.get()
    assert amounts(LedgerTransaction.objects.get(source_type="settlements.settlement")) == {
        "settlement_in_transit": paid.amount - fee, "gateway_fees:razorpay": fee - tax, "input_gst": tax,
        "gateway_receivable:razorpay": -paid.amount,
    }  # fmt: skip
    assert (settlement.utr, settlement.lines_amount, settlement.amount) == ("UTR1", paid.amount - fee, None)
    assert ledger.balance_of("gateway_receivable:razorpay") == 0
    assert found() == []
    connection.check_constraints()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "reason", "held"),
    [
        ({"amount": 100, "credit": 100}, "amount_mismatch", -100),
        ({"fee": 100, "credit": -100}, "fee_mismatch", 100),
        ({"tax": 5}, "fee_mismatch", 0),
        ({"credit": -100}, "credit_mismatch", 100),
    ],
)
def test_what_differs_is_held_in_suspense(
    paid: Any, sandbox: Any, change: dict[str, int], reason: str, held: int
) -> None:
    true = line_of(paid)

    import_csv(as_csv({**true, **{name: true[name] + by for name, by in change.items()}}))

    assert found() == [(reason, paid.gateway_payment_id, held)]
    assert ledger.balance_of("suspense") == held
    assert ledger.balance_of("gateway_receivable:razorpay") == 0
    assert violated("INV-21", "INV-21b", "INV-26", "INV-26b", "INV-28c") == []


@pytest.mark.django_db
def test_an_exception_says_what_was_reported_and_what_was_expected(paid: Any, sandbox: Any) -> None:
    (refund,) = requests.request_full_refund(
        order_id=paid.payment.order_id, reason="other", actor=SYSTEM, now=clock.now()
    )
    apply_refund(refund)
    true = line_of(paid)
    stranger = line("rfnd_00000000000099", "refund", amount=500, debit=500)
    less = line(refund.gateway_refund_id, "refund", amount=refund.amount, debit=refund.amount - 100)

    import_csv(as_csv({**true, "credit": true["credit"] - 100}, stranger, less))

    said = ReconciliationException.objects.values_list("entity_id", "reason", "expected_amount", "actual_amount")
    assert sorted(said) == sorted(
        [
            (paid.gateway_payment_id, "credit_mismatch", true["credit"], true["credit"] - 100),
            ("rfnd_00000000000099", "unknown_payment", None, -500),
            (refund.gateway_refund_id, "credit_mismatch", -refund.amount, 100 - refund.amount),
        ]
    )


@pytest.mark.django_db
def test_a_long_reason_of_a_failed_import_is_kept_as_far_as_it_fits(paid: Any, monkeypatch: Any) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise GatewayOutcomeUnknown(GatewayError(code="TIMEOUT", description="x" * 301))

    monkeypatch.setattr("apps.payments.services.fetch_settlement_report", fail)
    report = reconciliation.request_settlement_import(day=clock.ist_date(clock.now()), actor=SYSTEM, now=clock.now())

    with pytest.raises(GatewayOutcomeUnknown):
        report_imports.import_settlements(import_id=report.pk, now=clock.now())

    report.refresh_from_db()
    assert (report.status, report.error) == ("failed", "x" * 300)


@pytest.mark.django_db
def test_a_reader_keeps_its_claim_while_it_asks_the_gateway(order: Any, sandbox: Any, monkeypatch: Any) -> None:
    facts = make_gateway_payment(make_payment(order))
    claims = []

    def get_payment(self: Any, *, gateway_payment_id: str) -> Any:
        claims.append(SettlementImport.objects.get().claimed_until)
        return facts

    monkeypatch.setattr("apps.payments.gateways.razorpay.adapter.Razorpay.get_payment", get_payment)
    monkeypatch.setattr("apps.settlements.services.import_claims.time.monotonic", itertools.count(0, 60).__next__)
    now = clock.now()

    import_csv(as_csv(line(facts.id, amount=facts.amount, credit=facts.amount)), now=now)

    # The clock of this test goes on by a minute each time it is read: the claim is extended before the call.
    assert len(claims) == 1
    assert claims[0] >= now + CLAIM_TTL + timedelta(minutes=2)


@pytest.mark.django_db
def test_a_reader_keeps_its_claim_from_settlement_to_settlement(paid: Any, order: Any, monkeypatch: Any) -> None:
    claims = []

    def fetch_settlement(**_: Any) -> Any:
        claims.append(SettlementImport.objects.get().claimed_until)
        raise GatewayOutcomeUnknown(GatewayError(code="TIMEOUT", description="no answer"))

    monkeypatch.setattr("apps.payments.services.fetch_settlement", fetch_settlement)
    monkeypatch.setattr("apps.settlements.services.import_claims.time.monotonic", itertools.count(0, 60).__next__)
    other = line("adj_00000000000001", "adjustment", amount=5, debit=5, credit_type="fee")

    import_csv(as_csv(line_of(paid), {**other, "settlement_id": "setl_00000000000002"}))

    # The clock of this test goes on by a minute each time it is read.
    assert len(claims) == 2
    assert claims[1] >= claims[0] + timedelta(minutes=1)


@pytest.mark.django_db
def test_an_import_asks_about_two_hundred_unknown_payments(paid: Any, monkeypatch: Any) -> None:
    # `_MAX_ASKED`: the report of a whole other shop would keep its reader at the gateway for hours.
    asked: list[str] = []
    monkeypatch.setattr(
        "apps.payments.services.fetch_and_apply_payment",
        lambda *, gateway, gateway_payment_id, now: asked.append(gateway_payment_id),
    )

    import_csv(as_csv(*(line(f"pay_{number:014d}", amount=100, credit=100) for number in range(201))))

    assert (len(asked), len(set(asked)), len(found())) == (200, 200, 201)


@pytest.mark.django_db
def test_an_import_stops_asking_after_three_failures_in_a_row(paid: Any, monkeypatch: Any) -> None:
    # `_MAX_POLL_FAILURES`: a gateway that does not answer would hold its reader up at each line.
    asked: list[str] = []

    def fetch(*, gateway: str, gateway_payment_id: str, now: Any) -> None:
        asked.append(gateway_payment_id)
        if len(asked) != 3:
            raise GatewayOutcomeUnknown(GatewayError(code="TIMEOUT", description="no answer"))

    monkeypatch.setattr("apps.payments.services.fetch_and_apply_payment", fetch)

    import_csv(as_csv(*(line(f"pay_{number:014d}", amount=100, credit=100) for number in range(9))))

    assert (len(asked), len(found())) == (6, 9)


@pytest.mark.django_db
def test_a_line_that_comes_in_two_settlements_is_booked_once(paid: Any, sandbox: Any) -> None:
    import_csv(as_csv(line_of(paid)))
    import_csv(as_csv(line_of(paid, settlement_id="setl_00000000000002")))

    credit = paid.amount - paid.fee_amount
    assert found() == [("duplicated_line", paid.gateway_payment_id, -credit)]
    assert ledger.balance_of("gateway_receivable:razorpay") == 0
    assert ledger.balance_of("settlement_in_transit") == 2 * credit


@pytest.mark.django_db
def test_unknown_payment_is_fetched_from_the_gateway(order: Any, sandbox: Any, monkeypatch: Any) -> None:
    payment = make_payment(order)
    facts = make_gateway_payment(payment)
    monkeypatch.setattr(
        "apps.payments.gateways.razorpay.adapter.Razorpay.get_payment", lambda self, *, gateway_payment_id: facts
    )

    import_csv(as_csv(line(facts.id, amount=facts.amount, credit=facts.amount - facts.fee_amount, fee=facts.fee_amount,
                           tax=facts.fee_tax_amount)))  # fmt: skip

    assert found() == []
    assert PaymentAttempt.objects.get().status == "captured"


class TestUnknownRefund:
    """A line of a refund of which no webhook reported anything: somebody made it at the gateway."""

    def report(self, attempt: PaymentAttempt, monkeypatch: Any, **fields: Any) -> list[str]:
        """Import the lines of a payment and of a refund of ₹50.00 that we do not know, and return what was asked about."""
        asked: list[str] = []
        values = {
            "gateway": "razorpay", "id": "rfnd_00000000000077", "gateway_payment_id": attempt.gateway_payment_id,
            "status": "processed", "amount": 5_000, "currency": "INR", **fields,
        }  # fmt: skip

        def get_refund(self: Any, *, gateway_refund_id: str) -> GatewayRefund:
            asked.append(gateway_refund_id)
            return GatewayRefund(**values)

        monkeypatch.setattr("apps.payments.gateways.razorpay.adapter.Razorpay.get_refund", get_refund)
        import_csv(as_csv(line_of(attempt), line("rfnd_00000000000077", "refund", amount=5_000, debit=5_000)))
        return asked

    @pytest.mark.django_db
    def test_is_asked_about_and_booked(self, paid: Any, sandbox: Any, monkeypatch: Any) -> None:
        asked = self.report(paid, monkeypatch)

        refund = Refund.objects.get()
        assert (asked, refund.status, refund.amount) == (["rfnd_00000000000077"], "processed", 5_000)
        assert found() == []
        assert (ledger.balance_of("suspense"), ledger.balance_of("gateway_receivable:razorpay")) == (0, 0)
        assert violated("INV-21", "INV-26", "INV-26b", "INV-26c", "INV-28c", "INV-14b", "INV-25c") == []

    @pytest.mark.django_db
    def test_of_a_payment_that_is_not_ours_stays_an_exception(self, paid: Any, sandbox: Any, monkeypatch: Any) -> None:
        asked = self.report(paid, monkeypatch, gateway_payment_id="pay_00000000000066")

        assert (asked, Refund.objects.count()) == (["rfnd_00000000000077"], 0)
        assert found() == [("unknown_payment", "rfnd_00000000000077", 5_000)]

    @pytest.mark.django_db
    def test_that_failed_here_is_asked_about_too(self, paid: Any, sandbox: Any, monkeypatch: Any) -> None:
        (ours,) = requests.request_refund_by_amount(
            order_id=paid.payment.order_id, amount=5_000, reason="other", actor=SYSTEM, now=clock.now()
        )
        refund = apply_refund(ours, status="failed")
        Refund.objects.filter(pk=refund.pk).update(gateway_refund_id="rfnd_00000000000077")

        asked = self.report(paid, monkeypatch)

        refund.refresh_from_db()
        assert (asked, refund.status, found()) == (["rfnd_00000000000077"], "processed", [])

    @pytest.mark.django_db
    def test_that_is_known_is_not_asked_about(self, paid: Any, sandbox: Any, monkeypatch: Any) -> None:
        facts = GatewayRefund(
            gateway="razorpay", id="rfnd_00000000000077", gateway_payment_id=paid.gateway_payment_id,
            status="pending", amount=5_000, currency="INR",
        )  # fmt: skip
        gateway_updates.apply_gateway_refund(facts=facts, actor=SYSTEM, now=clock.now())

        assert self.report(paid, monkeypatch) == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("report", "why"),
    [
        (b"entity_id,type\n", "columns are missing"),
        (b"\xff\xfe\x00", "not a CSV file"),
        (as_csv(line("pay_1", amount="12.50")), "line 2: amount is not in paise"),
    ],
)
def test_what_is_no_report_is_refused_and_nothing_is_booked(reference_data: None, report: bytes, why: str) -> None:
    with pytest.raises(report_imports.ReportUnreadable, match=why):
        import_csv(report)

    assert SettlementImport.objects.get().status == "failed"
    assert (Settlement.objects.count(), LedgerTransaction.objects.count()) == (0, 0)


@pytest.mark.django_db
def test_a_reading_that_broke_off_goes_on_where_it_was(paid: Any, sandbox: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("apps.settlements.services.report_rows._BATCH", 1)
    report = as_csv(line_of(paid), *(line(f"adj_{n:014d}", "adjustment", amount=n, debit=n) for n in range(1, 5)))
    whole = report_rows._stage_batch

    def stage_batch(rows: Any, **others: Any) -> None:
        if others["claim"].report.rows_read == 3:
            raise GatewayOutcomeUnknown(GatewayError())
        whole(rows, **others)

    monkeypatch.setattr(report_rows, "_stage_batch", stage_batch)
    with pytest.raises(GatewayOutcomeUnknown):
        import_csv(report)
    broken = SettlementImport.objects.get()
    assert (broken.status, broken.rows_read, SettlementReportRow.objects.count()) == ("failed", 3, 3)

    monkeypatch.setattr(report_rows, "_stage_batch", whole)
    done = import_csv(report)

    assert (done.pk, done.status, done.rows_read, done.lines_added) == (broken.pk, "completed", 5, 5)
    assert (SettlementLine.objects.count(), SettlementReportRow.objects.count()) == (5, 0)


@pytest.mark.django_db
def test_a_missing_line_is_found_after_some_days_and_closed_when_it_comes(paid: Any, sandbox: Any) -> None:
    later = clock.now() + timedelta(days=6)
    import_csv(as_csv(line("adj_00000000000001", "adjustment", amount=5, debit=5, credit_type="fee")))

    assert matching.open_missing_line_exceptions(now=clock.now()) == 0
    assert matching.open_missing_line_exceptions(now=later) == 1
    assert matching.open_missing_line_exceptions(now=later) == 0
    assert found() == [("missing_line", paid.gateway_payment_id, 0)]

    import_csv(as_csv(line_of(paid)), now=later)
    assert ReconciliationException.objects.get().resolution == "arrived"


# Deciding ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def exception(paid: Any, sandbox: Any) -> ReconciliationException:
    true = line_of(paid)
    import_csv(as_csv({**true, "credit": true["credit"] - 100}))
    return ReconciliationException.objects.get()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("resolution", "account"),
    [
        ("written_off", "gateway_fees:razorpay"),
        ("paid_outside", "other_bank_movements"),
        ("cleared", "gateway_receivable:razorpay"),
    ],
)
def test_a_decision_moves_what_was_held(exception: Any, resolution: str, account: str) -> None:
    before = ledger.balance_of(account)

    ledger_services.resolve_exception(
        exception_id=exception.pk, resolution=resolution, note="because", actor=SYSTEM, now=clock.now()
    )

    assert ledger.balance_of("suspense") == 0
    assert ledger.balance_of(account) == before + 100
    assert violated("INV-21", "INV-26", "INV-28c") == []
    with pytest.raises(exceptions.ExceptionAlreadyResolved):
        ledger_services.resolve_exception(
            exception_id=exception.pk, resolution=resolution, note="again", actor=SYSTEM, now=clock.now()
        )


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("decided", "refusal"),
    [
        ({"resolution": "noted", "note": "x"}, exceptions.ExceptionHasSuspenseBalance),
        ({"resolution": "arrived", "note": "x"}, exceptions.InvalidResolution),
        ({"resolution": "written_off", "note": " "}, exceptions.NoteRequired),
    ],
)
def test_a_decision_that_says_too_little_is_refused(exception: Any, decided: Any, refusal: Any) -> None:
    with pytest.raises(refusal):
        ledger_services.resolve_exception(exception_id=exception.pk, actor=SYSTEM, now=clock.now(), **decided)

    exception.refresh_from_db()
    assert (exception.resolved_at, ledger.balance_of("suspense")) == (None, 100)


@pytest.mark.django_db
def test_finance_reads_and_decides_over_http(exception: Any, finance: Any, support: Any, client_of: Any) -> None:
    client = client_of(finance)
    settlement = client.get("/api/v1/settlements").json()["data"][0]

    assert client.get(f"/api/v1/settlements/{settlement['id']}").json()["utr"] == "UTR1"
    lines = client.get(f"/api/v1/settlements/{settlement['id']}/lines").json()["data"]
    assert [(one["problem"], one["held_amount"]) for one in lines] == [("credit_mismatch", 100)]
    queue = client.get("/api/v1/reconciliation/exceptions?state=open&reason=credit_mismatch").json()["data"]
    url = f"/api/v1/reconciliation/exceptions/{queue[0]['id']}/resolve"
    body = {"resolution": "written_off", "note": "small"}
    assert (
        client_of(support).post(url, body, format="json", headers={"Idempotency-Key": "key-of-support-1"}).status_code
        == 403
    )
    answer = client.post(url, body, format="json", headers={"Idempotency-Key": "key-of-finance-1"})

    assert (answer.status_code, answer.json()["resolution"]) == (200, "written_off")
    assert client.get("/api/v1/reconciliation/exceptions?state=open").json()["data"] == []
    asked = client.post("/api/v1/settlements/import", {"day": "2026-01-01"}, format="json")
    assert (asked.status_code, asked.json()["status"]) == (202, "waiting")
