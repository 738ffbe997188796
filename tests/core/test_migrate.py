"""A reversal of migrations deletes no amount or quantity unless it is told to."""

from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from apps.core import clock
from apps.core.management.commands.migrate import Command
from apps.ledger.models import LedgerEntry
from apps.settlements.models import Settlement
from tests.factories.orders import make_order

pytestmark = pytest.mark.django_db


def reverse(app: str, *, delete_amounts: bool = False) -> None:
    """Start the reversal of an app's first migration, as far as the command decides about it."""
    command = Command()
    command.may_delete, command.database, command.verbosity = delete_amounts, "default", 0
    command.migration_progress_callback("unapply_start", MigrationLoader(connection).get_migration(app, "0001_initial"))


class TestReversal:
    def test_is_refused_while_a_column_holds_amounts_or_quantities(self, owner: Any) -> None:
        make_order(owner)

        with pytest.raises(CommandError) as refused:
            reverse("orders")

        text = str(refused.value)
        assert text.startswith("Reversing orders.0001_initial would delete the amounts or quantities in orders_order.")
        assert "orders_order.total_amount, " in text
        assert "orders_orderline.quantity_milli, " in text
        assert "orders_order.paid_amount" not in text  # it is 0
        assert text.endswith("Make a backup, then run the command again with --delete-amounts.")
        assert refused.value.returncode == 2

    def test_is_allowed_by_an_option(self, owner: Any) -> None:
        make_order(owner)

        reverse("orders", delete_amounts=True)

    def test_of_empty_tables_is_allowed(self) -> None:
        assert not LedgerEntry.objects.exists()

        reverse("ledger")
        reverse("orders")

    def test_leaves_all_as_it_was_if_it_is_refused(self) -> None:
        Settlement.objects.create(
            gateway="razorpay", gateway_settlement_id="setl_1", status="processed", amount=100, settled_at=clock.now()
        )

        with pytest.raises(CommandError, match="settlements_settlement.amount"):
            call_command("migrate", "settlements", "zero", verbosity=0)

        assert Settlement.objects.get().amount == 100
        assert ("settlements", "0001_initial") in MigrationLoader(connection).applied_migrations
