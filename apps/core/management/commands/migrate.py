"""`manage.py migrate`: Django's own, which refuses a reversal that would delete data."""

from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandParser
from django.core.management.commands import migrate
from django.db import connections
from django.db.migrations import AddField, CreateModel, Migration
from django.db.migrations.exceptions import AmbiguityError
from django.db.migrations.executor import MigrationExecutor

from apps.core.management.operator_commands import OperatorCommand, add_examples


class Command(OperatorCommand, migrate.Command):
    help = (
        "Bring the tables to the version of the code, or to a named migration. A reversal that would delete rows, or columns"
        " with amounts or quantities, is refused unless --delete-data allows it; once anything was sold or recorded, so is one"
        " that would delete an empty table, because running processes write to it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        add_examples(
            parser,
            [
                ("manage.py migrate --plan", "what would be changed"),
                ("manage.py migrate --no-input", "bring the tables to the version of the code"),
                ("manage.py migrate catalog 0001", "go back; refused if that would delete data"),
            ],
        )
        parser.add_argument(
            "--delete-data",
            action="store_true",
            help="also reverse migrations whose tables have rows or are in use, or whose columns hold amounts or quantities: they are"
            " deleted",
        )

    def handle(self, *args: Any, delete_data: bool = False, **options: Any) -> None:
        changes_nothing = options["plan"] or options["fake"] or options["check_unapplied"]
        if options["migration_name"] and not changes_nothing and not delete_data:
            self._check_reversal(options["database"], options["app_label"], options["migration_name"])
        super().handle(*args, **options)

    def _check_reversal(self, database: str, app_label: str, migration_name: str) -> None:
        """Refuse a plan of which any step would delete data, before the first step."""
        executor = MigrationExecutor(connections[database])
        plan = _plan_to(executor, app_label, migration_name)
        found = sorted(
            {lost for migration, is_reversed in plan if is_reversed for lost in _find_losses(executor, migration)}
        )
        if found:
            raise self.fail(
                f"Going back to {app_label} {migration_name} would delete {', '.join(found)}. Nothing was changed."
                " Make a backup, then run the command again with --delete-data."
            )


def _plan_to(executor: MigrationExecutor, app_label: str, migration_name: str) -> list[tuple[Migration, bool]]:
    """Return the steps to a migration, each with whether it is a reversal; none if there is no such migration, which Django reports."""
    try:
        name = (
            None
            if migration_name == "zero"
            else executor.loader.get_migration_by_prefix(app_label, migration_name).name
        )
        return executor.migration_plan([(app_label, name)])
    except (AmbiguityError, KeyError):
        return []


def _find_losses(executor: MigrationExecutor, migration: Migration) -> Iterator[str]:
    """Yield each table that is in use or has rows, and each column with amounts or quantities, that a migration has added."""
    from apps.core.admin_fields import is_money, is_quantity

    history = executor.loader.project_state((migration.app_label, migration.name)).apps
    in_use = _is_in_use(executor)
    for operation in migration.operations:
        if isinstance(operation, CreateModel):
            model = history.get_model(migration.app_label, operation.name)
            if model._meta.swapped:
                continue  # another model stands in for it: it never had a table
            rows = model._default_manager.using(executor.connection.alias)
            if in_use or rows.exists():
                yield str(model._meta.db_table)
        elif isinstance(operation, AddField):
            model = history.get_model(migration.app_label, operation.model_name)
            field = model._meta.get_field(operation.name)
            filled = model._default_manager.using(executor.connection.alias).exclude(**{f"{field.name}__isnull": True})
            if (is_money(field) or is_quantity(field)) and filled.exclude(**{field.name: 0}).exists():
                yield f"{model._meta.db_table}.{field.column}"


def _is_in_use(executor: MigrationExecutor) -> bool:
    """Test if anything was ever recorded in the database."""
    from apps.core.models import Event

    with executor.connection.cursor() as cursor:
        has_table = Event._meta.db_table in executor.connection.introspection.table_names(cursor)
    return has_table and Event.objects.using(executor.connection.alias).exists()
