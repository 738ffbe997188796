"""The migration linter, called directly: a linter has no business among the installed apps."""

from __future__ import annotations

import os
from pathlib import Path

#: What the linter refuses of migrations that no running shop will see: 0.1.0 has not been released, so that no earlier version runs
#: next to it and no table is large. From its release on nothing is added here.
BEFORE_THE_FIRST_RELEASE = {
    # A text becomes longer: Postgres rewrites nothing, and what the code before it writes still fits. The linter cannot see that.
    "accounts": ["0002_city_of_100_characters"],
    "tax": ["0002_city_of_100_characters"],
    # Texts become longer, as above, and unique constraints of invoices take another one's place: both in one transaction, because
    # between them an order could get two invoices.
    "invoicing": ["0004_documents_by_what_is_sold"],
    # Columns move to a table of their own at once: code of before the first release never runs next to it.
    "orders": ["0007_order_addresses"],
    "payments": [
        # Texts become longer, as above. The constraint over exceptions is built under a lock, on a table that has few rows.
        "0009_gateway_fact_exceptions",
        # The unique index is built without a lock and then becomes the table's constraint, as Django's state has it; the linter sees
        # the last step alone.
        "0016_lines_by_kind",
    ],
}


def main() -> int:
    """Lint every migration of ours; return 1 if one is unsafe while the previous version still runs."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.local")
    import django
    from django.apps import apps
    from django_migration_linter import MigrationLinter

    django.setup()
    ours = [app.label for app in apps.get_app_configs() if app.name.startswith("apps.")]
    linter = MigrationLinter(
        path=str(Path(__file__).resolve().parent.parent),
        include_apps=ours,
        analyser_string="postgresql",
        no_cache=True,
        # The first migration of an app creates its tables: nothing runs on them yet.
        ignore_initial_migrations=True,
        ignore_name=tuple(name for names in BEFORE_THE_FIRST_RELEASE.values() for name in names),
    )
    linter.lint_all_migrations()
    linter.print_summary()
    return 1 if linter.has_errors else 0
