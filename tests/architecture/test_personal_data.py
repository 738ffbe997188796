"""What no event keeps is listed where people look it up."""

from pathlib import Path

from django.apps import apps
from django.db import models

from apps.core.models import Subject

DOCS = Path(__file__).parents[2] / "docs" / "personal-data.md"
#: Names of columns that hold personal data wherever they occur.
_PERSONAL_NAMES = frozenset(
    {
        "phone",
        "email",
        "destination",
        "recipient",
        "line1",
        "line2",
        "pin",
        "ip",
        "user_agent",
        "payer",
        "payer_ip",
        "buyer",
    }
)


def _subjects() -> list[type[Subject]]:
    return [model for model in apps.get_models() if issubclass(model, Subject)]


def test_docs_list_what_folding_events_cannot_rebuild() -> None:
    listed = {}
    for line in DOCS.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 3 and "." in cells[0]:
            listed[cells[0]] = tuple(tuple(sorted(filter(None, cell.split(", ")))) for cell in cells[1:])

    actual = {
        model._meta.label_lower: (
            tuple(sorted(model.PERSONAL_FIELDS)),
            tuple(sorted(model.NOT_IN_EVENTS - model.PERSONAL_FIELDS)),
        )
        for model in _subjects()
        if model.PERSONAL_FIELDS or model.NOT_IN_EVENTS
    }

    assert listed == actual


def test_columns_that_no_event_keeps_exist() -> None:
    for model in _subjects():
        columns = {field.attname for field in model._meta.concrete_fields}
        assert columns >= model.PERSONAL_FIELDS | model.NOT_IN_EVENTS, model


def test_column_with_a_personal_name_is_personal() -> None:
    kinds = (models.CharField, models.TextField, models.JSONField, models.GenericIPAddressField)
    for model in _subjects():
        matching = {
            field.attname for field in model._meta.concrete_fields
            if isinstance(field, kinds) and field.attname in _PERSONAL_NAMES
        }  # fmt: skip
        if model._meta.app_label != "tax":  # the shop's own registrations
            assert matching <= model.PERSONAL_FIELDS, model
