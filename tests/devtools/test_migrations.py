"""The list of migrations that the linter need not accept: as short as it can be."""

import pytest
from django_migration_linter import MigrationLinter

from devtools.migrations import BEFORE_THE_FIRST_RELEASE

EXEMPT = [(app, name) for app, names in BEFORE_THE_FIRST_RELEASE.items() for name in names]


@pytest.mark.django_db
@pytest.mark.parametrize(("app", "name"), EXEMPT)
def test_each_exempt_migration_is_one_that_the_linter_refuses(app: str, name: str) -> None:
    linter = MigrationLinter(path=".", analyser_string="postgresql", no_cache=True, no_output=True)

    linter.lint_all_migrations(app_label=app, migration_name=name)

    assert (linter.nb_total, linter.nb_erroneous) == (1, 1)


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["0010_transferred_by", "0011_kinds_of_settlement_lines", "0015_refund_line_amounts"])
def test_what_has_defaults_and_is_split_is_accepted(name: str) -> None:
    linter = MigrationLinter(path=".", analyser_string="postgresql", no_cache=True, no_output=True)

    linter.lint_all_migrations(app_label="payments", migration_name=name)

    assert (linter.nb_total, linter.nb_erroneous) == (1, 0)
