from datetime import UTC, datetime, timedelta, timezone

import time_machine

from apps.core import clock


class TestNow:
    def test_is_in_whole_milliseconds_of_utc(self) -> None:
        with time_machine.travel(datetime(2026, 11, 21, 5, 30, 0, 123_987, tzinfo=UTC), tick=False):
            now = clock.now()

        assert now == datetime(2026, 11, 21, 5, 30, 0, 123_000, tzinfo=UTC)
        assert now.tzinfo is UTC

    def test_never_rounds_up_to_an_instant_that_has_not_come(self) -> None:
        last = datetime(2026, 11, 21, 5, 30, 59, 999_999, tzinfo=UTC)

        assert clock.to_milliseconds(last) == datetime(2026, 11, 21, 5, 30, 59, 999_000, tzinfo=UTC)


class TestRfc3339:
    def test_always_has_three_decimals_and_z(self) -> None:
        noon = datetime(2026, 11, 21, 12, tzinfo=UTC)

        assert clock.rfc3339(noon) == "2026-11-21T12:00:00.000Z"
        assert clock.rfc3339(noon + timedelta(milliseconds=7)) == "2026-11-21T12:00:00.007Z"
        assert clock.rfc3339(noon + timedelta(microseconds=7_999)) == "2026-11-21T12:00:00.007Z"

    def test_is_utc_whatever_the_zone_of_the_instant(self) -> None:
        india = timezone(timedelta(hours=5, minutes=30))

        assert clock.rfc3339(datetime(2026, 11, 21, 12, tzinfo=india)) == "2026-11-21T06:30:00.000Z"
