"""What no event keeps is listed where people look it up."""

from pathlib import Path

from django.apps import apps
from django.db import models

from apps.core.models import Subject

DOCS = Path(__file__).parents[2] / "docs" / "personal-data.md"
#: Names of columns that hold personal data wherever they occur.
_TELLING_NAMES = frozenset(
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


def test_docs_list_what_folding_events_cannot_tell() -> None:
    listed = {}
    for line in DOCS.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 3 and "." in cells[0]:
            listed[cells[0]] = tuple(tuple(sorted(filter(None, cell.split(", ")))) for cell in cells[1:])

    actual = {
        model._meta.label_lower: (tuple(sorted(model.PERSONAL)), tuple(sorted(model.UNTOLD - model.PERSONAL)))
        for model in _subjects()
        if model.PERSONAL or model.UNTOLD
    }

    assert listed == actual


def test_columns_that_no_event_keeps_exist() -> None:
    for model in _subjects():
        columns = {field.attname for field in model._meta.concrete_fields}
        assert columns >= model.PERSONAL | model.UNTOLD, model


def test_column_with_a_telling_name_is_personal() -> None:
    kinds = (models.CharField, models.TextField, models.JSONField, models.GenericIPAddressField)
    for model in _subjects():
        telling = {
            field.attname for field in model._meta.concrete_fields
            if isinstance(field, kinds) and field.attname in _TELLING_NAMES
        }  # fmt: skip
        if model._meta.app_label != "tax":  # the shop's own registrations
            assert telling <= model.PERSONAL, model
