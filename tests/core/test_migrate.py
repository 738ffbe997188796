"""A reversal of migrations deletes no data unless it is told to."""

from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, migrations, models
from django.db.migrations.executor import MigrationExecutor

from apps.core.management.commands.migrate import _find_losses
from apps.core.models import Event
from tests.factories.catalog import make_variant
from tests.factories.orders import make_order

pytestmark = pytest.mark.django_db


def tables() -> set[str]:
    return set(connection.introspection.table_names())


def go_back(app: str) -> str:
    """Ask for the reversal of all migrations of an app and return why it is refused."""
    with pytest.raises(CommandError) as refused:
        call_command("migrate", app, "zero", verbosity=0, interactive=False)
    assert refused.value.returncode == 2
    return str(refused.value)


class TestReversal:
    def test_of_filled_tables_is_refused_with_their_names(self, owner: Any) -> None:
        make_order(owner)
        before = tables()

        text = go_back("orders")

        assert text.startswith("Going back to orders zero would delete backoffice_bestseller, ")
        assert ", fulfilment_shipment, " in text
        assert "orders_order, orders_orderaddress, orders_orderline, " in text
        assert text.endswith("Nothing was changed. Make a backup, then run the command again with --delete-data.")
        assert tables() == before

    def test_is_refused_before_the_tables_of_other_apps_are_dropped(self) -> None:
        make_variant()
        before = tables()
        assert "invoicing_invoice" in before

        text = go_back("catalog")

        assert "catalog_stocklevel" in text
        assert "invoicing_invoice" not in text
        assert tables() == before

    def test_can_be_planned_without_being_allowed(self, owner: Any, capsys: pytest.CaptureFixture[str]) -> None:
        make_order(owner)
        before = tables()

        call_command("migrate", "orders", "zero", plan=True)

        assert "Undo Create model Order" in capsys.readouterr().out
        assert tables() == before

    def test_of_the_events_is_refused_although_they_have_no_amount(self, owner: Any) -> None:
        make_order(owner)

        assert "core_event, " in go_back("core")

    def test_of_empty_tables_deletes_nothing(self) -> None:
        assert not Event.objects.exists()
        executor = MigrationExecutor(connection)
        migration = executor.loader.get_migration("invoicing", "0001_initial")

        assert list(_find_losses(executor, migration)) == []

    def test_of_empty_tables_is_refused_once_anything_was_recorded(self, owner: Any) -> None:
        make_order(owner)
        before = tables()

        assert "settlements_settlement" in go_back("settlements")
        assert tables() == before

    def test_of_the_users_of_django_names_only_tables_that_exist(self, owner: Any) -> None:
        make_order(owner)

        text = go_back("auth")

        assert "auth_group, " in text
        assert "auth_user" not in text

    @pytest.mark.parametrize(
        ("field", "lost"),
        [
            ("total_amount", ["orders_order.total_amount"]),  # it holds an amount
            ("paid_amount", []),  # it is 0
            ("note", []),  # no amount
        ],
    )
    def test_of_a_column_is_refused_if_it_holds_amounts(self, owner: Any, field: str, lost: list[str]) -> None:
        make_order(owner)
        executor = MigrationExecutor(connection)
        migration = executor.loader.get_migration("orders", "0001_initial")
        added = type("Migration", (migrations.Migration,), {})(migration.name, "orders")
        added.operations = [migrations.AddField("order", field, models.BigIntegerField())]

        assert list(_find_losses(executor, added)) == lost
