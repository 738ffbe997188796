from datetime import UTC, datetime, timedelta

import pytest

from apps.accounts import sql
from apps.accounts.models import RateLimitCounter
from apps.accounts.rules import RateLimit

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


class TestSlidingWindow:
    FIVE = (RateLimit("five", 5, timedelta(minutes=1)),)

    def test_the_window_slides(self) -> None:
        times = [0, 50, 51, 52, 53, 54, 59.9, 60, 60.1, 109.9, 110.1]

        allowed = [not sql.consume(self.FIVE, now=after(second)) for second in times]

        assert allowed == [True, True, True, True, True, False, False, True, False, False, True]

    def test_no_minute_ever_holds_six(self) -> None:
        counted = [tenth / 10 for tenth in range(0, 3000, 7) if not sql.consume(self.FIVE, now=after(tenth / 10))]

        assert max(sum(1 for other in counted if second <= other < second + 60) for second in counted) == 5

    def test_a_late_clock_still_counts_what_is_there(self) -> None:
        for _ in range(5):
            sql.consume(self.FIVE, now=after(1))

        assert sql.consume(self.FIVE, now=after(0)) == {"five"}

    def test_forgets_what_has_left_the_window(self) -> None:
        for second in (0, 1, 70):
            sql.consume(self.FIVE, now=after(second))

        rate_limit = RateLimitCounter.objects.get()
        assert (rate_limit.hits, rate_limit.expires_at) == ([after(70)], after(130))

    def test_says_how_long_to_wait(self) -> None:
        for second in (0, 10, 20, 30, 40):
            sql.consume(self.FIVE, now=after(second))

        assert sql.get_retry_delay(self.FIVE, now=after(45)) == timedelta(seconds=15)


class TestRestoreAttempts:
    FIVE = (RateLimit("five", 5, timedelta(minutes=1)), RateLimit("other", 5, timedelta(hours=1)))

    def test_restores_one_of_several_attempts_of_one_instant(self) -> None:
        for second in (0, 1, 1, 1, 2):
            sql.consume(self.FIVE, now=after(second))

        sql.restore_attempts(self.FIVE, consumed_at=after(1))

        assert [row.hits for row in RateLimitCounter.objects.all()] == [[after(0), after(1), after(1), after(2)]] * 2

    def test_restores_nothing_that_was_not_counted(self) -> None:
        sql.consume(self.FIVE, now=after(0))

        sql.restore_attempts(self.FIVE, consumed_at=after(1))
        sql.restore_attempts((RateLimit("unknown", 5, timedelta(minutes=1)),), consumed_at=after(0))

        assert [row.hits for row in RateLimitCounter.objects.all()] == [[after(0)]] * 2

    def test_restores_the_first_and_the_last(self) -> None:
        for second in (0, 1):
            sql.consume(self.FIVE, now=after(second))

        sql.restore_attempts(self.FIVE, consumed_at=after(0))
        sql.restore_attempts(self.FIVE, consumed_at=after(1))

        assert [row.hits for row in RateLimitCounter.objects.all()] == [[], []]


class TestFixedWindow:
    WIDE = (RateLimit("wide", 150, timedelta(days=1)),)

    def test_counts_in_a_window_that_begins_with_the_first(self) -> None:
        allowed = sum(not sql.consume(self.WIDE, now=after(second)) for second in range(200))

        rate_limit = RateLimitCounter.objects.get()
        assert (allowed, rate_limit.used, rate_limit.hits, rate_limit.expires_at) == (150, 150, [], after(86_400))
        assert sql.consume(self.WIDE, now=after(86_400)) == set()
        assert RateLimitCounter.objects.get().used == 1

    def test_says_how_long_to_wait(self) -> None:
        for second in range(150):
            sql.consume(self.WIDE, now=after(second))

        assert sql.get_retry_delay(self.WIDE, now=after(400)) == timedelta(seconds=86_000)


class TestSeveralRateLimits:
    def test_returns_the_exceeded_rate_limits(self) -> None:
        one, two = RateLimit("one", 1, timedelta(minutes=1)), RateLimit("two", 2, timedelta(minutes=1))

        answers = [sql.consume((one, two), now=after(second)) for second in range(3)]

        assert answers == [set(), {"one"}, {"one", "two"}]

    def test_rate_limit_of_zero_allows_nothing(self) -> None:
        assert sql.consume((RateLimit("none", 0, timedelta(minutes=1)),), now=NOON) == {"none"}

    def test_changed_limit_applies_to_the_next_attempt(self) -> None:
        for second in range(3):
            sql.consume((RateLimit("key", 10, timedelta(minutes=1)),), now=after(second))

        assert sql.consume((RateLimit("key", 3, timedelta(minutes=1)),), now=after(4)) == {"key"}
