"""Days and instants in words."""

from datetime import UTC, date, datetime

import pytest

from apps.core.dates import format_day, format_instant


class TestFormatDay:
    def test_has_no_leading_zero(self) -> None:
        assert format_day(date(2026, 11, 5)) == "5 Nov 2026"


class TestFormatInstant:
    @pytest.mark.parametrize(
        ("at", "words"),
        [
            (datetime(2026, 11, 21, 5, 35, tzinfo=UTC), "21 Nov 2026, 11:05 am"),
            (datetime(2026, 11, 21, 10, 35, tzinfo=UTC), "21 Nov 2026, 4:05 pm"),
            (datetime(2026, 11, 21, 18, 30, tzinfo=UTC), "22 Nov 2026, 12:00 am"),
        ],
    )
    def test_is_in_indias_time(self, at: datetime, words: str) -> None:
        assert format_instant(at) == words
