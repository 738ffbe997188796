"""What the tests of instants read: every instant of every table of ours."""

from collections.abc import Iterator

from django.apps import apps
from django.db import connection, models

from apps.core.models import Event, Subject


def list_instant_columns() -> Iterator[tuple[str, str]]:
    """Return table and column of each instant that our own apps keep."""
    for model in apps.get_models():
        if not model.__module__.startswith("apps.") or not model._meta.managed:
            continue
        for field in model._meta.concrete_fields:
            if isinstance(field, models.DateTimeField):
                yield model._meta.db_table, field.column


def find_finer_instants() -> dict[str, int]:
    """Return the columns that hold instants finer than a millisecond, with the number of such rows."""
    found = {}
    with connection.cursor() as cursor:
        for table, column in list_instant_columns():
            cursor.execute(
                f'SELECT count(*) FROM "{table}" WHERE date_trunc(\'milliseconds\', "{column}") <> "{column}"'
            )
            (count,) = cursor.fetchone()
            if count:
                found[f"{table}.{column}"] = count
    return found


def find_created_at_mismatches() -> dict[str, int]:
    """Return the kinds of rows with events whose `created_at` is not that of their first event, with the number of such rows."""
    found = {}
    for model in apps.get_models():
        if issubclass(model, Subject) and not model._meta.abstract:
            first = Event.objects.filter(subject_type=model._meta.label_lower, version=1)
            recorded = dict(first.values_list("subject_id", "created_at"))
            made = model.objects.filter(pk__in=recorded).values_list("pk", "created_at")
            count = sum(created_at != recorded[pk] for pk, created_at in made)
            if count:
                found[model._meta.label_lower] = count
    return found
