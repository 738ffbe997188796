"""Days and instants at both ends of the calendar: refused in a sentence, or answered, wherever people and programs name one."""

import argparse
import importlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.core.management import CommandError, call_command
from django.db import models
from django.urls import reverse
from drf_spectacular.generators import SchemaGenerator

from apps.core import clock
from apps.core.management.operator_commands import parse_day, parse_instant

EXTREMES = (
    "0001-01-01", "0001-01-01T00:00:00", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+05:30", "0001-01-01T00:00:00+23:59",
    "9999-12-31", "9999-12-31T23:59:59", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-12:00", "9999-12-31T23:59:59-23:59",
    "1999-12-31", "2200-01-01",
)  # fmt: skip


@cache
def date_parameters() -> tuple[tuple[str, str], ...]:
    """Return each parameter of a list that reads a day or an instant, with its route."""
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    found = tuple(
        (route, one["name"])
        for route, methods in paths.items()
        for one in methods.get("get", {}).get("parameters", ())
        if one["in"] == "query" and one["schema"].get("format") in ("date", "date-time") and "{" not in route
    )
    assert len(found) > 6
    return found


def date_arguments() -> Iterator[tuple[str, str]]:
    """Yield each option of a command that reads a day or an instant, with its command."""
    for path in sorted(Path("apps").glob("*/management/commands/*.py")):
        if "parse_" not in path.read_text():
            continue
        command = importlib.import_module(".".join(path.with_suffix("").parts)).Command()
        parser = command.create_parser("manage.py", path.stem)
        for option in parser._actions:
            if getattr(option.type, "__name__", "").startswith("parse_"):
                yield path.stem, option.option_strings[-1]


@pytest.mark.parametrize("text", EXTREMES)
class TestCommandLine:
    def test_reader_refuses_in_a_sentence(self, text: str) -> None:
        for read in (parse_day, parse_instant):
            with pytest.raises(argparse.ArgumentTypeError, match="is not a|is not between"):
                read(text)

    def test_each_command_refuses_it(self, text: str) -> None:
        options = list(date_arguments())
        assert ("explain_money", "--as-of") in options
        assert len(options) >= 6

        for command, option in options:
            with pytest.raises(CommandError, match="is not a|is not between"):
                call_command(command, f"{option}={text}")


@pytest.mark.django_db
@pytest.mark.parametrize("text", EXTREMES)
class TestQuery:
    def test_of_the_api_is_refused_or_answered(self, text: str, administrator: Any, client_of: Any) -> None:
        client = client_of(administrator)

        for route, parameter in date_parameters():
            assert client.get(route, {parameter: text}).status_code in (200, 400), (route, parameter)

    def test_of_a_report_day_is_refused(self, text: str, finance: Any, client_of: Any) -> None:
        answer = client_of(finance).post(
            "/api/v1/settlements/import",
            {"day": text[:10]},
            format="json",
            headers={"Idempotency-Key": "key-of-a-day-0001"},
        )

        assert answer.status_code == 400

    def test_of_where_the_money_is_shows_today(self, text: str, administrator: Any, client: Any) -> None:
        client.force_login(administrator)
        today = clock.ist_date(clock.now()).isoformat()

        answer = client.get(reverse("admin:money_states"), {"as_of": text})
        listed = client.get(
            reverse("admin:money_states"),
            {"state": "captured", "after": f"{text}|00000000-0000-0000-0000-000000000000"},
        )

        assert (answer.status_code, listed.status_code) == (200, 200)
        assert today in answer.content.decode()


@pytest.mark.django_db
@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+05:30", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-12:00"])
def test_lists_of_the_back_office_answer_a_filter(text: str, administrator: Any, client: Any) -> None:
    client.force_login(administrator)

    for model, page in admin.site._registry.items():
        for field in page.list_filter:
            if isinstance(field, str) and isinstance(model._meta.get_field(field), models.DateField):
                url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
                assert client.get(url, {f"{field}__gte": text}).status_code < 500, (url, field)
