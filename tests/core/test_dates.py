"""Days and instants in words."""

from datetime import UTC, date, datetime

import pytest
from django.utils.formats import localize
from django.utils.timezone import template_localtime

from apps.core.dates import format_day, format_instant


class TestFormatDay:
    def test_has_no_leading_zero(self) -> None:
        assert format_day(date(2026, 11, 5)) == "5 Nov 2026"


class TestFormatInstant:
    @pytest.mark.parametrize(
        ("at", "words"),
        [
            (datetime(2026, 11, 21, 5, 35, tzinfo=UTC), "21 Nov 2026, 11:05 am IST"),
            (datetime(2026, 11, 21, 10, 35, tzinfo=UTC), "21 Nov 2026, 4:05 pm IST"),
            (datetime(2026, 11, 21, 6, 30, tzinfo=UTC), "21 Nov 2026, 12:00 pm IST"),
            (datetime(2026, 11, 21, 18, 30, tzinfo=UTC), "22 Nov 2026, 12:00 am IST"),
        ],
    )
    def test_is_in_indias_time(self, at: datetime, words: str) -> None:
        assert format_instant(at) == words


class TestListsOfTheBackOffice:
    @pytest.mark.parametrize("hour", [0, 6, 7, 18, 19])
    def test_write_an_instant_as_pages_do_and_on_one_line(self, hour: int) -> None:
        at = datetime(2026, 11, 21, hour, 35, 9, tzinfo=UTC)

        written = localize(template_localtime(at))

        assert written.replace("\xa0", " ") == format_instant(at)
        assert " " not in written
