"""The migration linter, as `make check` runs it."""

import pytest
from django_migration_linter.sql_analyser.analyser import analyse_sql_statements
from django_migration_linter.sql_analyser.postgresql import PostgresqlAnalyser

from devtools import migrations


@pytest.mark.django_db(transaction=True)  # an index that is made while orders are taken is made outside of transactions
def test_accepts_the_migrations_of_bahi() -> None:
    assert migrations.main() == 0


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ('ALTER TABLE "tax_registration" DROP COLUMN "trade_name" CASCADE;', "DROP_COLUMN"),
        ('ALTER TABLE "tax_registration" RENAME COLUMN "trade_name" TO "brand_name";', "RENAME_COLUMN"),
        ('ALTER TABLE "tax_registration" ADD COLUMN "brand_name" varchar(100) NOT NULL;', "NOT_NULL"),
    ],
)
def test_refuses_what_the_running_version_does_not_survive(statement: str, fault: str) -> None:
    errors, _, _ = analyse_sql_statements(PostgresqlAnalyser, [statement])

    assert [error.code for error in errors] == [fault]
