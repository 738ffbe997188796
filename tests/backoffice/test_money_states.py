"""Where captured money is: each rupee in one state at one instant, by the books and events of that instant."""

import itertools
import json
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from typing import Any

import pgtrigger
import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.urls import reverse

from apps.backoffice.selectors import money_states as selectors
from apps.backoffice.sql import money_states as sql
from apps.backoffice.tasks import measure_explained_money
from apps.core import clock
from apps.core.dates import working_days_before, working_days_between
from apps.core.events import SYSTEM, change
from apps.payments.models import PaymentAttempt
from apps.settlements import locks
from apps.settlements.models import Settlement
from tests.factories.accounts import make_staff
from tests.factories.orders import make_order
from tests.factories.payments import make_dispute, pay
from tests.support.refunds import apply_refund_update, request_refund
from tests.support.settlements import as_csv, import_csv, line, line_of, violated

pytestmark = pytest.mark.django_db

#: A Monday, so that ages in working days are plain.
MONDAY = datetime(2026, 6, 1, 6, 30, tzinfo=UTC)
_numbers = itertools.count(1)


def day(number: int) -> datetime:
    """Return noon in India, a number of days after the Monday."""
    return MONDAY + timedelta(days=number)


@pytest.fixture
def attempt(shop: Any, sandbox: Any, owner: Any) -> PaymentAttempt:
    return pay(make_order(owner))


def settle(attempt: PaymentAttempt, *, now: datetime, **overrides: Any) -> Settlement:
    """Settle a payment alone, and return its settlement."""
    settlement_id = f"setl_{next(_numbers):014d}"
    import_csv(as_csv(line_of(attempt, settlement_id=settlement_id, **overrides)), now=now)
    return Settlement.objects.get(gateway_settlement_id=settlement_id)


def bank(settlement: Settlement, *, now: datetime) -> None:
    """Have the bank's statement show a settlement, as its event says; the bank's books have tests of their own."""
    row = locks.lock_settlement(gateway=settlement.gateway, gateway_settlement_id=settlement.gateway_settlement_id)
    assert row is not None
    change(row, "settlements.settlement.banked", {"transfer_status": "banked"}, actor=SYSTEM, now=now)


def states(at: datetime | None = None, since: datetime | None = None) -> dict[str, int]:
    """Return the states that have money, in paise, after a check that they sum to what was captured."""
    found = selectors.get_money_states(at=at or clock.now() + timedelta(days=30), since=since)
    assert found.difference == 0
    return {state.name: state.amount for state in found.states if state.amount}


class TestStates:
    def test_captured_money_is_in_no_settlement_yet(self, attempt: PaymentAttempt) -> None:
        assert states() == {"captured": attempt.amount}

    def test_a_settled_payment_is_on_its_way_and_its_fee_is_deducted(self, attempt: PaymentAttempt) -> None:
        settle(attempt, now=clock.now())

        fee = attempt.fee_amount or 0
        assert states() == {"settled": attempt.amount - fee, "deducted": fee}

    def test_the_banks_line_makes_it_banked(self, attempt: PaymentAttempt) -> None:
        bank(settle(attempt, now=clock.now()), now=clock.now())

        fee = attempt.fee_amount or 0
        assert states() == {"banked": attempt.amount - fee, "deducted": fee}

    def test_a_refund_before_the_settlement(self, attempt: PaymentAttempt, colleagues: None) -> None:
        refund = request_refund(attempt.payment.order, amount=10_000)
        apply_refund_update(refund, "processed")

        assert states() == {"captured": attempt.amount - 10_000, "refunded": 10_000}

    def test_a_refund_that_was_deducted(self, attempt: PaymentAttempt, colleagues: None) -> None:
        settlement = settle(attempt, now=clock.now())
        refund = request_refund(attempt.payment.order, amount=10_000)
        apply_refund_update(refund, "processed")
        fee = attempt.fee_amount or 0
        assert states() == {
            "captured": -10_000, "settled": attempt.amount - fee, "deducted": fee, "refunded": 10_000,
        }  # fmt: skip

        refund.refresh_from_db()
        gone = line(refund.gateway_refund_id or "", "refund", amount=10_000, debit=10_000)
        import_csv(as_csv({**gone, "settlement_id": settlement.gateway_settlement_id}))

        assert states() == {"settled": attempt.amount - fee - 10_000, "deducted": fee, "refunded": 10_000}

    def test_disputed_money(self, attempt: PaymentAttempt) -> None:
        make_dispute(attempt, amount_deducted=attempt.amount)

        assert states() == {"disputed": attempt.amount}

    def test_money_that_a_report_does_not_explain_is_in_suspense(self, attempt: PaymentAttempt) -> None:
        credit = attempt.amount - (attempt.fee_amount or 0) - 100
        settle(attempt, now=clock.now(), credit=credit)

        assert states() == {"settled": credit, "deducted": attempt.fee_amount, "suspense": 100}

    def test_money_of_no_payment_is_shown_apart(self, attempt: PaymentAttempt) -> None:
        import_csv(as_csv(line("pay_NobodyKnows001", amount=900, credit=900)))

        found = selectors.get_money_states(at=clock.now() + timedelta(days=1))

        apart = {state.name: state.unattributed_amount for state in found.states if state.unattributed_amount}
        assert apart == {"settled": 900, "suspense": -900}
        assert (found.captured_amount, found.difference) == (attempt.amount, 0)


class TestAsOf:
    def test_each_day_has_its_own_answer(self, shop: Any, sandbox: Any, owner: Any) -> None:
        attempt = pay(make_order(owner, now=day(0)), now=day(0))
        fee = attempt.fee_amount or 0
        settlement = settle(attempt, now=day(2), created_at=int(day(0).timestamp()), settled_at=int(day(2).timestamp()))
        bank(settlement, now=day(3))

        net = attempt.amount - fee
        assert states(day(0) - timedelta(hours=1)) == {}
        assert states(day(1)) == {"captured": attempt.amount}
        assert states(day(2)) == {"settled": net, "deducted": fee}
        assert states(day(3)) == {"banked": net, "deducted": fee}

    def test_since_leaves_out_what_was_captured_before(self, shop: Any, sandbox: Any, owner: Any) -> None:
        pay(make_order(owner, now=day(0)), now=day(0))
        later = pay(make_order(owner, now=day(4)), now=day(4))

        assert states(since=day(1)) == {"captured": later.amount}

    def test_ages_are_working_days(self, shop: Any, sandbox: Any, owner: Any) -> None:
        attempt = pay(make_order(owner, now=day(0)), now=day(0))

        ages = {
            number: [name for name, amount in _by_age(day(number)).items() if amount]
            for number in (1, 2, 3, 6, 7, 14, 15)
        }

        assert attempt.amount
        assert ages == {
            1: ["0-1"], 2: ["2"], 3: ["3-4"], 6: ["3-4"], 7: ["5-10"], 14: ["5-10"], 15: ["over 10"],
        }  # fmt: skip


def _by_age(at: datetime) -> dict[str, int]:
    return dict(selectors.get_money_states(at=at).states[0].by_age)


class TestWorkingDays:
    @pytest.mark.parametrize(
        ("since", "until", "count"),
        [
            (date(2026, 6, 1), date(2026, 6, 1), 0),
            (date(2026, 6, 1), date(2026, 6, 5), 4),
            (date(2026, 6, 5), date(2026, 6, 8), 1),
            (date(2026, 6, 6), date(2026, 6, 7), 0),
            (date(2026, 6, 1), date(2026, 6, 15), 10),
        ],
    )
    def test_saturdays_and_sundays_do_not_count(self, since: date, until: date, count: int) -> None:
        assert working_days_between(since, until) == count

    def test_finds_the_day_before_a_number_of_working_days(self) -> None:
        assert working_days_before(date(2026, 6, 8), 4) == date(2026, 6, 2)
        assert working_days_before(date(2026, 6, 7), 1) == date(2026, 6, 4)


class TestGoal:
    def test_what_is_not_banked_after_four_working_days_misses_it(self, shop: Any, sandbox: Any, owner: Any) -> None:
        attempt = pay(make_order(owner, now=day(0)), now=day(0))
        settlement = settle(attempt, now=day(2), created_at=int(day(0).timestamp()), settled_at=int(day(2).timestamp()))

        early = selectors.get_money_states(at=day(3))
        late = selectors.get_money_states(at=day(4))
        bank(settlement, now=day(4) + timedelta(hours=1))
        explained = selectors.get_money_states(at=day(4) + timedelta(hours=1))

        assert (early.due_amount, early.is_goal_met) == (0, True)
        assert (late.due_amount, late.explained_amount, late.is_goal_met) == (attempt.amount, 0, False)
        assert (explained.explained_amount, explained.explained_per_million) == (attempt.amount, 1_000_000)
        [missed] = selectors.iterate_money_lines(state="unexplained", at=day(4))
        assert (missed.attempt_id, missed.amount) == (attempt.pk, attempt.amount)
        assert list(selectors.iterate_money_lines(state="unexplained", at=day(4) + timedelta(hours=1))) == []

    def test_a_line_with_a_problem_explains_nothing(self, shop: Any, sandbox: Any, owner: Any) -> None:
        attempt = pay(make_order(owner, now=day(0)), now=day(0))
        credit = attempt.amount - (attempt.fee_amount or 0) - 100
        bank(settle(attempt, now=day(2), credit=credit, settled_at=int(day(2).timestamp())), now=day(3))

        assert selectors.get_money_states(at=day(7)).explained_amount == 0


class TestLines:
    def test_lines_go_on_where_a_page_ended(self, shop: Any, sandbox: Any, owner: Any) -> None:
        attempts = [pay(make_order(owner, now=day(number)), now=day(number)) for number in range(3)]

        first = list(selectors.iterate_money_lines(state="captured", at=day(9), limit=2))
        rest = list(
            selectors.iterate_money_lines(
                state="captured", at=day(9), after=(first[-1].captured_at, first[-1].attempt_id)
            )
        )

        assert [one.attempt_id for one in [*first, *rest]] == [one.pk for one in attempts]
        assert rest[0].order_number == attempts[2].payment.order.number
        assert (rest[0].amount, rest[0].settlement) == (attempts[2].amount, "")


class TestInvariants:
    def test_a_capture_that_is_not_posted_as_it_was_is_found(self, attempt: PaymentAttempt) -> None:
        assert violated("INV-26p", "INV-26q") == []
        with pgtrigger.ignore():
            PaymentAttempt.objects.filter(pk=attempt.pk).update(amount=attempt.amount + 1)

        assert violated("INV-26p", "INV-26q") == ["INV-26p"]

    def test_a_state_that_the_books_do_not_have_is_found(self, attempt: PaymentAttempt) -> None:
        settle(attempt, now=clock.now())
        with pgtrigger.ignore(), connection.cursor() as cursor:
            cursor.execute(
                "UPDATE settlements_settlementline SET bank_amount = bank_amount - 5, cleared_amount = cleared_amount - 5"
            )

        assert violated("INV-26p", "INV-26q") == ["INV-26q"]


class TestCommand:
    def run(self, *arguments: str) -> tuple[int, str]:
        out, code = StringIO(), 0
        try:
            call_command("explain_money", *arguments, stdout=out, stderr=StringIO(), no_color=True)
        except SystemExit as end:
            code = int(str(end.code))
        return code, out.getvalue()

    def test_the_goal_is_missed_and_the_lines_say_by_what(self, shop: Any, sandbox: Any, owner: Any) -> None:
        attempt = pay(make_order(owner, now=day(0)), now=day(0))

        code, text = self.run("--as-of", "2026-06-05")
        listed = json.loads(self.run("--as-of", "2026-06-05", "--lines", "unexplained", "--json")[1])

        assert code == 1
        assert "captured up to 1 Jun 2026 is explained three ways (0.0000 %)" in text
        assert "The goal of 99.99 % is missed." in text
        assert listed["count"] == 1
        assert listed["lines"][0]["gateway_payment_id"] == attempt.gateway_payment_id
        assert listed["lines"][0]["captured_amount"] == listed["amount"] == attempt.amount

    def test_a_day_means_its_end(self, shop: Any, sandbox: Any, owner: Any) -> None:
        attempt = pay(make_order(owner, now=day(0)), now=day(0))

        assert json.loads(self.run("--as-of", "2026-06-01", "--json")[1])["captured_amount"] == attempt.amount
        assert json.loads(self.run("--as-of", "2026-05-31", "--json")[1])["captured_amount"] == 0
        assert self.run("--as-of", "2026-06-01")[0] == 0

    def test_json_has_states_ages_and_goal(self, attempt: PaymentAttempt) -> None:
        code, text = self.run("--json")

        said = json.loads(text)
        assert (code, said["holds"], said["goal_met"]) == (0, True, True)
        assert said["states"]["captured"] == {
            "count": 1, "amount": attempt.amount, "by_age": {"0-1": attempt.amount}, "unattributed_amount": 0,
        }  # fmt: skip

    def test_lines_as_text(self, attempt: PaymentAttempt) -> None:
        code, text = self.run("--lines", "captured")

        assert code == 0
        assert attempt.payment.order.number in text
        assert text.rstrip().splitlines()[-1].startswith("Payments: 1; in this state: ₹")

    def test_a_period_that_ends_before_it_begins_is_refused(self) -> None:
        with pytest.raises(CommandError, match="--since is after --as-of"):
            call_command("explain_money", "--since", "2026-06-02", "--as-of", "2026-05-01")


class TestPage:
    def open(self, role: str, query: str = "") -> Any:
        client = Client()
        client.force_login(make_staff(role))
        return client.get(reverse("admin:money_states") + query)

    def test_finance_sees_the_states_and_the_goal(self, attempt: PaymentAttempt) -> None:
        page = self.open("finance").content.decode()

        assert "in no settlement yet, or owed again" in page
        assert "0-1 working days old" in page
        assert "so nothing has to be explained three ways yet." in page

    def test_finance_opens_the_payments_of_a_state(self, attempt: PaymentAttempt) -> None:
        page = self.open("finance", "?state=captured").content.decode()

        assert attempt.gateway_payment_id in page
        assert attempt.payment.order.number in page

    @pytest.mark.parametrize("query", ["?as_of=nonsense", "?state=nowhere", "?state=captured&after=x|y", "?all=1"])
    def test_a_damaged_address_shows_a_page(self, query: str) -> None:
        assert self.open("finance", query).status_code == 200

    def test_support_may_not_see_it(self) -> None:
        assert self.open("support").status_code == 403

    def test_the_dashboard_has_the_figure_that_was_measured_last(self, attempt: PaymentAttempt) -> None:
        client = Client()
        client.force_login(make_staff("finance"))
        cache.clear()

        before = client.get(reverse("admin:index")).content.decode()
        measure_explained_money()
        after = client.get(reverse("admin:index")).content.decode()
        cache.clear()

        assert "Money explained three ways" in before
        assert "Not measured yet" in before
        assert "Not measured yet" not in after
        assert "Nothing due" in after

    def test_the_dashboard_reads_no_payments_for_it(self, attempt: PaymentAttempt, monkeypatch: Any) -> None:
        client = Client()
        client.force_login(make_staff("finance"))
        monkeypatch.setattr(sql, "list_sums", lambda **_: pytest.fail("a page waited for all payments"))

        assert client.get(reverse("admin:index")).status_code == 200


@pytest.mark.django_db(transaction=True)
class TestLongQueries:
    def test_what_reads_all_payments_may_take_its_time_and_a_page_may_not(self, monkeypatch: Any) -> None:
        seen: list[str] = []

        def look(**_: Any) -> list[Any]:
            with connection.cursor() as cursor:
                cursor.execute("SHOW statement_timeout")
                seen.append(cursor.fetchone()[0])
            return []

        monkeypatch.setattr(sql, "list_sums", look)

        call_command("explain_money", stdout=StringIO())
        measure_explained_money()
        selectors.get_money_states(at=clock.now())
        cache.clear()

        assert seen == ["5min", "5min", "15s"]


def test_no_state_is_explained_by_its_own_word() -> None:
    assert [name for name, text in selectors.STATES.items() if name in text.split()] == []
