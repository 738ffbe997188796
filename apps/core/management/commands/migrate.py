"""`manage.py migrate`: Django's own, which asks before a reversal deletes amounts or quantities."""

from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandParser
from django.core.management.commands import migrate
from django.db import connections
from django.db.migrations import AddField, CreateModel, Migration
from django.db.migrations.loader import MigrationLoader
from django.db.models import QuerySet

from apps.core.management.operating import OperatorCommand


class Command(OperatorCommand, migrate.Command):
    help = (
        "Bring the tables to the version of the code, or to a named migration. A reversal that would delete amounts or"
        " quantities is refused unless --delete-amounts allows it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--delete-amounts",
            action="store_true",
            help="also reverse migrations whose columns hold amounts or quantities, which are deleted for good",
        )

    def handle(self, *args: Any, delete_amounts: bool = False, **options: Any) -> None:
        self.may_delete, self.database = delete_amounts, options["database"]
        super().handle(*args, **options)

    def migration_progress_callback(self, action: str, migration: Any = None, fake: bool = False) -> None:
        """Refuse to reverse a migration whose columns hold amounts or quantities, before anything of it is reversed."""
        if action == "unapply_start" and not fake and not self.may_delete:
            found = sorted(set(_find_filled_columns(migration, database=self.database)))
            if found:
                raise self.fail(
                    f"Reversing {migration} would delete the amounts or quantities in {', '.join(found)}. It was not reversed."
                    " Make a backup, then run the command again with --delete-amounts."
                )
        super().migration_progress_callback(action, migration, fake)


def _find_filled_columns(migration: Migration, *, database: str) -> Iterator[str]:
    """Yield `table.column` for each amount or quantity that the migration has added and that a row holds."""
    from apps.core.admin_fields import is_money, is_quantity

    state = MigrationLoader(connections[database]).project_state((migration.app_label, migration.name))
    for model_name, field_names in _list_added_fields(migration):
        model = state.apps.get_model(migration.app_label, model_name)
        rows: QuerySet[Any] = model._default_manager.using(database)
        for field in map(model._meta.get_field, field_names):
            if (is_money(field) or is_quantity(field)) and rows.exclude(**{f"{field.name}__isnull": True}).exclude(
                **{field.name: 0}
            ).exists():
                yield f"{model._meta.db_table}.{field.column}"


def _list_added_fields(migration: Migration) -> Iterator[tuple[str, list[str]]]:
    for operation in migration.operations:
        if isinstance(operation, CreateModel):
            yield operation.name, [name for name, _ in operation.fields]
        elif isinstance(operation, AddField):
            yield operation.model_name, [operation.name]
