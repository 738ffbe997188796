"""The fee audit: each settled fee against the contracted rate card, to the paisa, whatever the card says later."""

import itertools
import json
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any

import pgtrigger
import pytest
from django.contrib import admin
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.urls import reverse

from apps.core import clock
from apps.core.events import SYSTEM
from apps.core.models import Event
from apps.core.money import rupees
from apps.ledger import services as ledger
from apps.ledger.models import LedgerTransaction, ReconciliationException
from apps.payments.gateways.razorpay.entities import payment_from
from apps.payments.models import PaymentAttempt
from apps.settlements import selectors
from apps.settlements.facts import FeeTerms
from apps.settlements.models import FeeCheck, FeeRate, SettlementLine
from apps.settlements.services import fee_audit, fee_rates
from apps.settlements.services.exception_resolution import FeeClaimHoldsNoMoney
from tests.factories.accounts import make_staff
from tests.factories.orders import make_order
from tests.factories.payments import apply_payment, make_gateway_payment, make_payment
from tests.support.colleagues import BALA
from tests.support.pages import read_example
from tests.support.settlements import as_csv, found, import_csv, line, line_of, violated

pytestmark = pytest.mark.django_db

FEE_INVARIANTS = ("INV-29", "INV-29b", "INV-29c")
START = date(2020, 1, 1)
_settlements = itertools.count(1)


def add_rate(method: str = "card", **terms: Any) -> FeeRate:
    """Add a row to the rate card."""
    values = {"valid_from": START, "rate_basis_points": 200, **terms}
    return fee_rates.add_fee_rate(terms=FeeTerms(method=method, **values), actor=SYSTEM, now=clock.now())


def by_hand(amount: int, basis_points: int, gst: int = 1_800, fixed: int = 0) -> tuple[int, int]:
    """Return fee with GST and GST in paise, worked out as a person would: halves of a paisa are rounded up."""
    charge = int(amount * basis_points / 10_000 + 0.5) + fixed
    tax = int(charge * gst / 10_000 + 0.5)
    return charge + tax, tax


@pytest.fixture
def settle(shop: Any, sandbox: Any, owner: Any) -> Any:
    """Return a function that pays an order by an instrument, settles it with a fee, and returns the check of its line."""

    def settle_one(fee: int | None = None, tax: int | None = None, **facts: Any) -> FeeCheck | None:
        payment = make_payment(make_order(owner))
        right = by_hand(payment.amount, 200)
        charged = (right[0] if fee is None else fee, right[1] if tax is None else tax)
        attempt = apply_payment(
            make_gateway_payment(
                payment,
                fee_amount=charged[0],
                fee_tax_amount=charged[1],
                **{"method": "card", "network": "Visa", "funding": "credit", "is_international": False, **facts},
            )
        )
        import_csv(as_csv(line_of(attempt, settlement_id=f"setl_{next(_settlements):014d}")))
        return FeeCheck.objects.filter(line__attempt=attempt).order_by("-revision").first()

    return settle_one


def amount_of_order(owner: Any) -> int:
    return int(make_order(owner).total_amount)


class TestJudgeFees:
    def test_a_contracted_fee_agrees(self, settle: Any) -> None:
        rate = add_rate()

        check = settle()

        attempt = PaymentAttempt.objects.get()
        fee, tax = by_hand(attempt.amount, 200)
        assert (check.outcome, check.rate_id) == ("agrees", rate.pk)
        assert (check.expected_fee, check.expected_tax) == (fee, tax) == (check.charged_fee, check.charged_tax)
        assert check.month == clock.ist_date(clock.now()).replace(day=1)
        assert ReconciliationException.objects.count() == 0

    def test_one_paisa_too_much_is_claimed(self, settle: Any, owner: Any) -> None:
        add_rate()
        fee, tax = by_hand(amount_of_order(owner), 200)

        check = settle(fee=fee + 1, tax=tax)

        claim = ReconciliationException.objects.get()
        assert check.outcome == "overcharged"
        assert (claim.reason, claim.expected_amount, claim.actual_amount, claim.held_amount) == (
            "fee_overcharged", fee, fee + 1, 0,
        )  # fmt: skip
        assert "Claim ₹0.01, which includes the GST." in claim.description
        assert violated(*FEE_INVARIANTS, "INV-28c", "INV-26") == []

    def test_an_undercharge_is_only_shown(self, settle: Any, owner: Any) -> None:
        add_rate()
        fee, tax = by_hand(amount_of_order(owner), 200)

        check = settle(fee=fee - 1, tax=tax)

        assert check.outcome == "undercharged"
        assert ReconciliationException.objects.count() == 0

    def test_another_share_of_gst_in_the_same_fee_is_shown(self, settle: Any, owner: Any) -> None:
        add_rate()
        fee, tax = by_hand(amount_of_order(owner), 200)

        assert settle(fee=fee, tax=tax - 1).outcome == "tax_differs"

    def test_without_a_rate_that_applies_the_line_is_counted(self, settle: Any) -> None:
        add_rate("netbanking")

        check = settle()

        assert (check.outcome, check.rate, check.expected_fee) == ("no_rate", None, None)
        assert ReconciliationException.objects.count() == 0

    def test_without_a_rate_card_nothing_is_judged(self, settle: Any) -> None:
        assert settle() is None
        with pytest.raises(fee_audit.RateCardMissing):
            fee_audit.audit_fees(now=clock.now())

    def test_a_payer_who_bears_the_fee_is_not_charged_for_the_fee_on_it(self, settle: Any, owner: Any) -> None:
        add_rate()
        amount = amount_of_order(owner)
        fee, tax = by_hand(amount, 200)

        check = settle(amount=amount + fee, fee=fee, tax=tax, fee_bearer="customer")

        assert (check.base_amount, check.outcome) == (amount, "agrees")


class TestChooseRate:
    def test_the_most_specific_rate_decides(self, settle: Any) -> None:
        add_rate(rate_basis_points=100)
        add_rate(rate_basis_points=150, funding="credit")
        amex = add_rate(rate_basis_points=295, network="American Express")

        assert settle(network="american express").rate_id == amex.pk

    def test_a_condition_that_is_not_known_of_the_payment_does_not_hold(self, settle: Any) -> None:
        domestic = add_rate(is_international=False)
        add_rate(is_international=True, rate_basis_points=300)

        assert settle().rate_id == domestic.pk
        assert settle(is_international=None).outcome == "no_rate"

    def test_the_rate_of_the_day_of_the_payment_applies(self, settle: Any) -> None:
        today = clock.ist_date(clock.now())
        add_rate(valid_to=date(2025, 12, 31), rate_basis_points=100)
        now = add_rate(valid_from=today, rate_basis_points=200)
        add_rate(valid_from=date(2090, 1, 1), rate_basis_points=300)

        assert settle().rate_id == now.pk

    def test_an_amount_within_the_band_is_free_of_gst(self, settle: Any, owner: Any) -> None:
        amount = amount_of_order(owner)
        add_rate()
        small = add_rate(amount_to=amount, gst_basis_points=0)
        fee, _ = by_hand(amount, 200, gst=0)

        check = settle(fee=fee, tax=0)

        assert (check.rate_id, check.outcome) == (small.pk, "agrees")

    @pytest.mark.parametrize(
        ("rupees_paid", "gst_basis_points"), [("1999.99", 0), ("2000.00", 0), ("2000.01", 1_800), ("2000.02", 1_800)]
    )
    def test_the_card_of_the_page_decides_by_the_amount_on_each_side_of_its_bound(
        self, settle: Any, rupees_paid: str, gst_basis_points: int
    ) -> None:
        fee_rates.import_rate_card(lines=read_card_of_page().splitlines(), actor=SYSTEM, now=clock.now())
        amount = int(rupees_paid.replace(".", ""))
        fee, tax = by_hand(amount, 195, gst=gst_basis_points)

        check = settle(amount=amount, fee=fee, tax=tax)

        assert (check.outcome, check.rate.gst_basis_points) == ("agrees", gst_basis_points)

    @pytest.mark.parametrize(
        ("rupees_paid", "basis_points"),
        [
            ("99.99", 300), ("100.00", 100), ("100.01", 100), ("499.99", 100), ("500.00", 100), ("500.01", 200), ("999.99", 200),
            ("1000.00", 200), ("1000.01", 300),
        ],
    )  # fmt: skip
    def test_of_bands_the_one_with_the_amount_decides_and_else_the_rate_for_every_amount(
        self, settle: Any, rupees_paid: str, basis_points: int
    ) -> None:
        add_rate(amount_from=100_00, amount_to=500_00, rate_basis_points=100)
        add_rate(amount_from=500_01, amount_to=1000_00, rate_basis_points=200)
        add_rate(rate_basis_points=300)

        check = settle(amount=int(rupees_paid.replace(".", "")), fee=0, tax=0)

        assert check.rate.rate_basis_points == basis_points

    @pytest.mark.parametrize(
        ("terms", "charge"),
        [
            ({"rate_basis_points": 0, "fixed_amount": 300}, 300),
            ({"rate_basis_points": 200, "max_amount": 5}, 5),
            ({"rate_basis_points": 1, "min_amount": 90_000}, 90_000),
            ({"rate_basis_points": 1, "min_amount": 700, "max_amount": 700}, 700),
            ({"rate_basis_points": 0}, 0),
        ],
    )
    def test_fixed_fees_and_caps(self, settle: Any, terms: dict[str, int], charge: int) -> None:
        add_rate("upi", **terms)

        check = settle(method="upi", network="", funding="bank_account")

        tax = (charge * 1_800 + 5_000) // 10_000
        assert (check.expected_fee, check.expected_tax) == (charge + tax, tax)

    @pytest.mark.parametrize(
        ("amount", "basis_points"), [(1, 195), (50, 299), (99_999, 1), (1_17_900, 236), (12_34_56_789, 33), (250, 200)]
    )
    def test_rounding_is_half_up_for_fee_and_gst(self, settle: Any, basis_points: int, amount: int) -> None:
        add_rate(rate_basis_points=basis_points)

        check = settle(amount=amount, fee=0, tax=0)

        charge = (2 * amount * basis_points + 10_000) // 20_000
        tax = (2 * charge * 1_800 + 10_000) // 20_000
        assert (check.expected_fee, check.expected_tax) == (charge + tax, tax)

    def test_the_fee_in_razorpays_own_example_agrees(self) -> None:
        assert by_hand(1_17_900, 200) == (2_782, 424)


class TestChangeRateCard:
    def test_running_again_changes_nothing(self, settle: Any, owner: Any) -> None:
        add_rate(rate_basis_points=100)
        settle()
        before = (FeeCheck.objects.count(), found())

        done = fee_audit.audit_fees(now=clock.now())

        assert (done.lines, done.changed, done.claims_opened) == (1, 0, 0)
        assert (FeeCheck.objects.count(), found()) == before

    def test_a_corrected_rate_closes_the_claim_and_a_wrong_correction_opens_it_again(self, settle: Any) -> None:
        wrong = {"rate_basis_points": 100}
        add_rate(**wrong)
        settle()
        first = ReconciliationException.objects.get()
        assert first.reason == "fee_overcharged"

        add_rate(rate_basis_points=200)
        fee_audit.audit_fees(now=clock.now())

        first.refresh_from_db()
        assert (first.resolution, first.resolved_by, first.note) == ("booked", "system", "the rate card has changed")
        add_rate(**wrong)
        fee_audit.audit_fees(now=clock.now())
        again = ReconciliationException.objects.exclude(pk=first.pk).get()
        assert (again.resolved_at, again.actual_amount) == (None, first.actual_amount)
        assert list(FeeCheck.objects.order_by("revision").values_list("outcome", flat=True)) == [
            "overcharged", "agrees", "overcharged",
        ]  # fmt: skip
        assert violated(*FEE_INVARIANTS) == []

    def test_a_withdrawn_rate_is_as_if_it_had_never_been(self, settle: Any) -> None:
        general = add_rate()
        wrong = add_rate(network="Visa", rate_basis_points=100)
        assert settle().rate_id == wrong.pk

        fee_rates.withdraw_fee_rate(rate_id=wrong.pk, actor=SYSTEM, now=clock.now())
        fee_audit.audit_fees(now=clock.now())

        assert FeeCheck.objects.latest("revision").rate_id == general.pk
        assert selectors.list_fee_rates(gateway="razorpay") == [general]
        assert Event.objects.filter(type="settlements.fee_rate.withdrawn").count() == 1
        assert ReconciliationException.objects.filter(resolved_at=None).count() == 0

    def test_a_claim_that_staff_gave_up_stays_closed(self, settle: Any, colleagues: None) -> None:
        add_rate(rate_basis_points=100)
        settle()
        claim, postings = ReconciliationException.objects.get(), LedgerTransaction.objects.count()
        with pytest.raises(FeeClaimHoldsNoMoney):
            ledger.resolve_exception(
                exception_id=claim.pk, resolution="cleared", note="returned", actor=BALA, now=clock.now()
            )

        ledger.resolve_exception(
            exception_id=claim.pk, resolution="written_off", note="too small", actor=BALA, now=clock.now()
        )
        fee_audit.audit_fees(now=clock.now())

        assert ReconciliationException.objects.get().resolution == "written_off"
        assert LedgerTransaction.objects.count() == postings

    def test_a_claim_does_not_explain_what_is_owed_of_the_payment(self, settle: Any) -> None:
        add_rate(rate_basis_points=100)
        settle()
        claim = ReconciliationException.objects.get()
        from apps.settlements.sql.receivables import HAS_NO_OPEN_EXCEPTION

        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {HAS_NO_OPEN_EXCEPTION} FROM (SELECT %s::uuid AS attempt_id) receivable", [claim.attempt_id]
            )
            assert cursor.fetchone() == (True,)

    def test_a_refund_fee_without_a_rate_is_counted(self, settle: Any) -> None:
        add_rate()
        settle()

        import_csv(as_csv(line("trf_00000000000001", "transfer", amount=900, debit=910, fee=10, tax=2)))

        assert FeeCheck.objects.filter(method="transfer").values_list("outcome", "charged_fee").get() == ("no_rate", 10)


def read_card_of_page() -> str:
    return read_example("money.md", beginning="method,network,")


class TestRateCardFile:
    CARD = (
        "method,network,international,percent,fixed,max,valid_from,valid_to,gst_percent\n"
        "card,visa,no,1.95,,,2026-04-01,,18\n"
        'upi,,,0,3.00,"1,500.00",2026-04-01,2027-03-31,\n'
    )

    def test_a_file_is_imported_once(self) -> None:
        now = clock.now()

        added = fee_rates.import_rate_card(lines=self.CARD.splitlines(), actor=SYSTEM, now=now)
        again = fee_rates.import_rate_card(lines=self.CARD.splitlines(), actor=SYSTEM, now=now)

        card, upi = (fee_rates.terms_of(rate) for rate in added)
        assert card == FeeTerms("card", date(2026, 4, 1), network="Visa", is_international=False, rate_basis_points=195)
        assert upi == FeeTerms(
            "upi", date(2026, 4, 1), valid_to=date(2027, 3, 31), fixed_amount=300, max_amount=1_50_000
        )
        assert again == []
        assert Event.objects.filter(type="settlements.fee_rate.added").count() == 2

    @pytest.mark.parametrize(
        ("row", "why"),
        [
            ("cards,,,2,,,2026-04-01,,", "line 3: method 'cards' is not one of card, upi"),
            ("card,visum,,2,,,2026-04-01,,", "line 3: network 'visum' is not one of Visa"),
            ("card,,maybe,2,,,2026-04-01,,", "line 3: international is 'maybe'; write yes, no, or nothing"),
            ("card,,,2.005,,,2026-04-01,,", "line 3: percent is '2.005', not a percentage with at most two decimals"),
            ("card,,,2,-1,,2026-04-01,,", "line 3: fixed is '-1'"),
            ("card,,,2,,,01/04/2026,,", "line 3: valid_from is '01/04/2026'; write a day as 2026-11-20"),
            ("card,,,2,,,,,", "line 3: valid_from is empty"),
            ("card,,,2,,,2026-04-01,2026-03-31,", "its period ends before it begins"),
            ("card,,,101,,,2026-04-01,,", "a rate must be at most 100 %"),
        ],
    )
    def test_a_wrong_row_is_named_and_nothing_is_imported(self, row: str, why: str) -> None:
        head, first, _ = self.CARD.splitlines()

        with pytest.raises((fee_rates.RateCardInvalid, fee_rates.FeeRateNotAllowed)) as refusal:
            fee_rates.import_rate_card(lines=[head, first, row], actor=SYSTEM, now=clock.now())

        assert why in refusal.value.text
        assert FeeRate.objects.count() == 0

    def test_a_rate_of_a_method_that_is_not_known_is_refused(self) -> None:
        with pytest.raises(fee_rates.FeeRateNotAllowed, match="the method 'barter' is not known") as refusal:
            add_rate("barter")

        assert (refusal.value.param, FeeRate.objects.count()) == ("method", 0)

    def test_the_card_of_the_page_is_imported_whole_and_once(self) -> None:
        rows = read_card_of_page().splitlines()

        added = fee_rates.import_rate_card(lines=rows, actor=SYSTEM, now=clock.now())
        again = fee_rates.import_rate_card(lines=rows, actor=SYSTEM, now=clock.now())

        assert (len(added), again) == (len(rows) - 1, [])
        assert {rate.pk for rate in selectors.list_fee_rates(gateway="razorpay")} == {rate.pk for rate in added}

    BANDS = "method,network,amount_from,amount_to,percent,valid_from,withdrawn\n"

    @pytest.mark.parametrize(
        ("rows", "why"),
        [
            (
                "card,,,2000,1,2026-04-01,\nupi,,,,0,2026-04-01,\ncard,,,2000,2,2026-04-01,\n",
                "lines 2 and 4 have the same conditions, amounts and first day; keep one of them",
            ),
            ("card,,,,1,2026-04-01,\ncard,,,,1,2026-04-01,\n", "lines 2 and 3 have the same conditions"),
            ("card,,,2000,1,2026-04-01,yes\ncard,,,2000,2,2026-04-01,\n", "lines 2 and 3 have the same conditions"),
            (
                "card,,,2000,1,2026-04-01,\ncard,,2000,,2,2026-04-01,\n",
                "the amounts of lines 2 and 3 overlap, and both ends of a band belong to it",
            ),
            ("card,,100,500,1,2026-04-01,\ncard,,200,300,2,2026-04-01,\n", "the amounts of lines 2 and 3 overlap"),
            ("card,,,500,1,2026-04-01,\ncard,,,300,2,2026-04-01,\n", "the amounts of lines 2 and 3 overlap"),
        ],
    )
    def test_rows_about_the_same_are_refused(self, rows: str, why: str) -> None:
        with pytest.raises(fee_rates.RateCardInvalid) as refusal:
            fee_rates.import_rate_card(lines=(self.BANDS + rows).splitlines(), actor=SYSTEM, now=clock.now())

        assert why in refusal.value.text
        assert FeeRate.objects.count() == 0

    @pytest.mark.parametrize(
        "rows",
        [
            "card,,,2000,1,2026-04-01,\ncard,,2000.01,,2,2026-04-01,\n",
            "card,,,2000,1,2026-04-01,\ncard,,1000,,2,2026-05-01,\n",
            "card,Visa,,2000,1,2026-04-01,\ncard,,1000,,2,2026-04-01,\n",
            "card,,,2000,1,2026-04-01,\ncard,,,,2,2026-04-01,\n",
        ],
    )
    def test_rows_of_which_one_decides_are_all_in_force(self, rows: str) -> None:
        for count in (2, 0):
            added = fee_rates.import_rate_card(lines=(self.BANDS + rows).splitlines(), actor=SYSTEM, now=clock.now())
            assert len(added) == count

        assert len(selectors.list_fee_rates(gateway="razorpay")) == 2

    def test_a_band_that_overlaps_with_one_in_force_is_refused_until_that_is_withdrawn(self) -> None:
        add_rate(amount_to=2000_00)

        with pytest.raises(fee_rates.FeeRateNotAllowed) as refusal:
            add_rate(amount_to=3000_00)
        later = (self.BANDS + "card,,,3000,2,2020-01-01,\n").splitlines()
        with pytest.raises(fee_rates.FeeRateNotAllowed):
            fee_rates.import_rate_card(lines=later, actor=SYSTEM, now=clock.now())
        fee_rates.import_rate_card(lines=[*later, "card,,,2000,2,2020-01-01,yes"], actor=SYSTEM, now=clock.now())

        assert "the same conditions and first day up to ₹2,000.00; withdraw that one first" in refusal.value.text
        assert refusal.value.param == "amount_to"
        assert [rate.amount_to for rate in selectors.list_fee_rates(gateway="razorpay")] == [3000_00]

    @pytest.mark.parametrize("head", ["method,valid_from,percnt", "method,percent", "method,valid_from,method"])
    def test_an_unknown_heading_is_refused(self, head: str) -> None:
        with pytest.raises(fee_rates.RateCardInvalid):
            fee_rates.import_rate_card(lines=[head, "card,2026-04-01,2"], actor=SYSTEM, now=clock.now())


class TestCommands:
    def run(self, *arguments: str) -> tuple[int, str]:
        out, code = StringIO(), 0
        try:
            call_command(*arguments, stdout=out, stderr=StringIO(), no_color=True)
        except SystemExit as end:
            code = int(str(end.code))
        return code, out.getvalue()

    def test_the_rate_card_is_imported_and_shown(self, tmp_path: Path) -> None:
        file = tmp_path / "rates.csv"
        file.write_text(TestRateCardFile.CARD)

        assert self.run("rate_card", "import", str(file))[1].startswith("Rates added: 2.")
        code, shown = self.run("rate_card", "show")

        assert code == 0
        assert "Card Visa domestic" in shown
        assert "1.95 %, and 18 % GST" in shown
        assert "₹3.00, at most ₹1,500.00, and 18 % GST" in shown
        assert len(json.loads(self.run("rate_card", "show", "--on", "2027-04-01", "--json")[1])["rates"]) == 1

    def test_an_empty_card_and_a_missing_file_are_said_with_what_to_do(self) -> None:
        assert self.run("rate_card", "show")[1].startswith("The rate card is empty. Import rates with")
        with pytest.raises(CommandError, match="Name the CSV file with the rates: rate_card import FILE"):
            call_command("rate_card", "import")
        with pytest.raises(CommandError, match="rate_card show takes no file"):
            call_command("rate_card", "show", "rates.csv")
        add_rate(valid_from=date(2090, 1, 1))
        assert self.run("rate_card", "show", "--on", "2026-11-20")[1].startswith(
            "No rate of the rate card has 20 Nov 2026 in its period."
        )

    def test_a_file_that_is_no_rate_card_ends_with_2(self, tmp_path: Path) -> None:
        file = tmp_path / "rates.csv"
        file.write_bytes(b"\xff\xfe")

        with pytest.raises(CommandError, match="Nothing was imported") as refusal:
            call_command("rate_card", "import", str(file))

        assert refusal.value.returncode == 2

    def test_claims_by_month_and_method(self, settle: Any, owner: Any) -> None:
        settle()
        settle(method="wallet", network="", funding="")
        add_rate(rate_basis_points=100)

        code, text = self.run("audit_fees")
        again = json.loads(self.run("audit_fees", "--since", "2026-01-01", "--json")[1])

        amount = amount_of_order(owner)
        claim = by_hand(amount, 200)[0] - by_hand(amount, 100)[0]
        card = next(one for one in again["months"] if one["method"] == "card")
        assert code == 1
        assert "claims opened: 1" in text
        assert "is to be claimed from the gateway" in text
        assert (again["holds"], again["lines"], again["changed"]) == (False, 2, 0)
        assert (card["overcharged_amount"], card["open_amount"], card["overcharged"]) == (claim, claim, 1)
        assert next(one for one in again["months"] if one["method"] == "wallet")["no_rate"] == 1

    def test_without_overcharges_it_ends_with_0(self, settle: Any) -> None:
        add_rate()
        settle()

        assert self.run("audit_fees")[0] == 0

    def test_without_a_rate_card_it_ends_with_2(self) -> None:
        with pytest.raises(CommandError, match="The rate card of Razorpay is empty") as refusal:
            call_command("audit_fees")

        assert refusal.value.returncode == 2


class TestInvariants:
    def test_a_check_that_its_rate_does_not_say_is_found(self, settle: Any) -> None:
        add_rate()
        check = settle()
        with pgtrigger.ignore():
            FeeCheck.objects.filter(pk=check.pk).update(expected_fee=check.expected_fee + 1, outcome="undercharged")

        assert violated(*FEE_INVARIANTS) == ["INV-29"]

    def test_an_overcharge_without_a_claim_is_found(self, settle: Any) -> None:
        add_rate(rate_basis_points=100)
        settle()
        with pgtrigger.ignore():
            ReconciliationException.objects.update(fingerprint="")

        assert violated(*FEE_INVARIANTS) == ["INV-29b"]

    def test_a_claim_without_an_overcharge_is_found(self, settle: Any) -> None:
        add_rate(rate_basis_points=100)
        settle()
        with pgtrigger.ignore():
            ReconciliationException.objects.update(actual_amount=1)

        assert violated(*FEE_INVARIANTS) == ["INV-29b"]

    def test_a_line_that_is_not_judged_is_found(self, settle: Any) -> None:
        add_rate()
        settle()
        with pgtrigger.ignore():
            FeeCheck.objects.all().delete()
            FeeRate.objects.update(created_at="2026-01-01T00:00Z")
            SettlementLine.objects.update(created_at="2026-01-02T00:00Z")

        assert violated(*FEE_INVARIANTS) == ["INV-29c"]


def page_of(model: Any) -> Any:
    return admin.site._registry[model]


class TestPages:
    def sign_in(self, role: str) -> Client:
        client = Client()
        client.force_login(make_staff(role))
        return client

    def test_finance_adds_a_rate_in_percent_and_rupees(self) -> None:
        form = {
            "method": "card", "network": "Visa", "funding": "", "is_international": "False", "amount_from": "",
            "amount_to": "2000", "rate_basis_points": "1.95", "fixed_amount": "", "min_amount": "", "max_amount": "500",
            "gst_basis_points": "0", "valid_from": "2026-04-01", "valid_to": "", "contract": "Letter of 3 Mar 2026",
        }  # fmt: skip

        answer = self.sign_in("finance").post(reverse("admin:settlements_feerate_add"), form)

        assert answer.status_code == 302
        assert fee_rates.terms_of(FeeRate.objects.get()) == FeeTerms(
            "card", date(2026, 4, 1), network="Visa", is_international=False, amount_to=2_00_000, rate_basis_points=195,
            max_amount=50_000, gst_basis_points=0, contract="Letter of 3 Mar 2026",
        )  # fmt: skip

    def test_the_list_says_which_rates_are_in_force_and_for_which_amounts(self, count_queries: Any) -> None:
        client, page = self.sign_in("finance"), reverse("admin:settlements_feerate_changelist")
        add_rate(amount_to=2000_00)
        client.get(page)
        with count_queries() as few:
            client.get(page)
        add_rate(amount_to=2000_00, rate_basis_points=195)
        wrong = add_rate(network="Visa")
        fee_rates.withdraw_fee_rate(rate_id=wrong.pk, actor=SYSTEM, now=clock.now())
        add_rate(valid_from=date(2090, 1, 1))
        add_rate("upi", valid_to=date(2021, 1, 1))
        with count_queries() as many:
            answer = client.get(page)

        rows = answer.context["cl"].result_list
        shown = {(rate.method, rate.rate_basis_points, rate.network, page_of(FeeRate).in_force(rate)) for rate in rows}
        assert shown == {
            ("card", 200, "", "no, replaced by a later row"), ("card", 195, "", "yes"), ("card", 200, "Visa", "no, withdrawn"),
            ("card", 200, "Visa", "no, replaced by a later row"), ("card", 200, "", "from 1 Jan 2090"),
            ("upi", 200, "", "no, ended on 1 Jan 2021"),
        }  # fmt: skip
        assert {page_of(FeeRate).band(rate) for rate in rows} == {"up to ₹2,000.00", "every amount"}
        assert len(many) == len(few)

    def test_support_adds_none(self) -> None:
        assert self.sign_in("support").get(reverse("admin:settlements_feerate_add")).status_code == 403
        assert FeeRate.objects.count() == 0

    def test_the_page_of_a_withdrawal_says_what_happens(self) -> None:
        rate = add_rate()
        page = reverse("admin:settlements_feerate_action", args=[rate.pk, "withdraw"])
        shown = self.sign_in("finance").get(page)

        assert "as if it had never been there" in shown.content.decode()

    def test_the_list_of_checks_has_a_button_to_fees_by_month(self) -> None:
        page = self.sign_in("finance").get(reverse("admin:settlements_feecheck_changelist")).content.decode()

        assert f'href="{reverse("admin:fees_by_month")}"' in page

    def test_finance_sees_fees_by_month(self, settle: Any) -> None:
        add_rate(rate_basis_points=100)
        settle()

        page = self.sign_in("finance").get(reverse("admin:fees_by_month")).content.decode()

        assert "Still claimed" in page
        assert rupees(ReconciliationException.objects.get().actual_amount or 0) in page
        assert self.sign_in("support").get(reverse("admin:fees_by_month")).status_code == 403


class TestInstrument:
    CARD = {"id": "card_1", "network": "RuPay", "type": "debit", "last4": "1111"}

    def test_the_gateways_payment_says_the_instrument(self) -> None:
        payment = {"id": "pay_1", "amount": 100, "currency": "INR", "status": "captured"}

        card = payment_from({**payment, "card": self.CARD, "international": True})
        upi = payment_from({**payment, "upi": {"payer_account_type": "credit_card"}, "international": False})
        silent = payment_from({**payment, "card": None, "international": "no"})

        assert (card.network, card.funding, card.is_international) == ("RuPay", "debit", True)
        assert (upi.network, upi.funding, upi.is_international) == ("", "credit_card", False)
        assert (silent.network, silent.funding, silent.is_international) == ("", "", None)

    def test_later_facts_fill_what_earlier_ones_left_open(self, shop: Any, owner: Any) -> None:
        payment = make_payment(make_order(owner))
        facts = make_gateway_payment(payment)
        apply_payment(facts)

        apply_payment(
            make_gateway_payment(payment, id=facts.id, network="Visa", funding="debit", is_international=False)
        )

        attempt = PaymentAttempt.objects.get()
        assert (attempt.network, attempt.funding, attempt.is_international) == ("Visa", "debit", False)
