from datetime import UTC, datetime, timedelta

import pytest

from apps.accounts import sql
from apps.accounts.models import Budget
from apps.accounts.rules import Allowance

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


class TestNarrowBudget:
    FIVE = (Allowance("five", 5, timedelta(minutes=1)),)

    def test_the_window_slides(self) -> None:
        times = [0, 50, 51, 52, 53, 54, 59.9, 60, 60.1, 109.9, 110.1]

        allowed = [not sql.spend(self.FIVE, now=after(second)) for second in times]

        assert allowed == [True, True, True, True, True, False, False, True, False, False, True]

    def test_no_minute_ever_holds_six(self) -> None:
        spent = [tenth / 10 for tenth in range(0, 3000, 7) if not sql.spend(self.FIVE, now=after(tenth / 10))]

        assert max(sum(1 for other in spent if second <= other < second + 60) for second in spent) == 5

    def test_a_late_clock_still_counts_what_is_there(self) -> None:
        for _ in range(5):
            sql.spend(self.FIVE, now=after(1))

        assert sql.spend(self.FIVE, now=after(0)) == {"five"}

    def test_forgets_what_has_left_the_window(self) -> None:
        for second in (0, 1, 70):
            sql.spend(self.FIVE, now=after(second))

        budget = Budget.objects.get()
        assert (budget.hits, budget.expires_at) == ([after(70)], after(130))

    def test_says_how_long_to_wait(self) -> None:
        for second in (0, 10, 20, 30, 40):
            sql.spend(self.FIVE, now=after(second))

        assert sql.wait_for(self.FIVE, now=after(45)) == timedelta(seconds=15)


class TestRestoreBudgets:
    FIVE = (Allowance("five", 5, timedelta(minutes=1)), Allowance("other", 5, timedelta(hours=1)))

    def test_takes_one_of_several_tries_of_one_instant_and_no_other(self) -> None:
        for second in (0, 1, 1, 1, 2):
            sql.spend(self.FIVE, now=after(second))

        sql.restore_budgets(self.FIVE, spent_at=after(1))

        assert [row.hits for row in Budget.objects.all()] == [[after(0), after(1), after(1), after(2)]] * 2

    def test_takes_nothing_that_is_not_there(self) -> None:
        sql.spend(self.FIVE, now=after(0))

        sql.restore_budgets(self.FIVE, spent_at=after(1))
        sql.restore_budgets((Allowance("unknown", 5, timedelta(minutes=1)),), spent_at=after(0))

        assert [row.hits for row in Budget.objects.all()] == [[after(0)]] * 2

    def test_takes_the_first_and_the_last(self) -> None:
        for second in (0, 1):
            sql.spend(self.FIVE, now=after(second))

        sql.restore_budgets(self.FIVE, spent_at=after(0))
        sql.restore_budgets(self.FIVE, spent_at=after(1))

        assert [row.hits for row in Budget.objects.all()] == [[], []]


class TestWideBudget:
    WIDE = (Allowance("wide", 150, timedelta(days=1)),)

    def test_counts_in_a_window_that_begins_with_the_first(self) -> None:
        allowed = sum(not sql.spend(self.WIDE, now=after(second)) for second in range(200))

        budget = Budget.objects.get()
        assert (allowed, budget.spent, budget.hits, budget.expires_at) == (150, 150, [], after(86_400))
        assert sql.spend(self.WIDE, now=after(86_400)) == set()
        assert Budget.objects.get().spent == 1

    def test_says_how_long_to_wait(self) -> None:
        for second in range(150):
            sql.spend(self.WIDE, now=after(second))

        assert sql.wait_for(self.WIDE, now=after(400)) == timedelta(seconds=86_000)


class TestSeveral:
    def test_names_those_that_are_used_up(self) -> None:
        one, two = Allowance("one", 1, timedelta(minutes=1)), Allowance("two", 2, timedelta(minutes=1))

        answers = [sql.spend((one, two), now=after(second)) for second in range(3)]

        assert answers == [set(), {"one"}, {"one", "two"}]

    def test_a_budget_of_nothing_allows_nothing(self) -> None:
        assert sql.spend((Allowance("none", 0, timedelta(minutes=1)),), now=NOON) == {"none"}

    def test_a_limit_that_was_changed_holds_from_the_next_try(self) -> None:
        for second in range(3):
            sql.spend((Allowance("key", 10, timedelta(minutes=1)),), now=after(second))

        assert sql.spend((Allowance("key", 3, timedelta(minutes=1)),), now=after(4)) == {"key"}
