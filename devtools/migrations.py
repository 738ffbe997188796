"""The migration linter, called directly: a linter has no business among the installed apps."""

from __future__ import annotations

import os
from pathlib import Path

#: What the linter refuses of migrations that no running shop will see: 0.1.0 has not been released, so that no earlier version runs
#: next to it and no table is large. From its release on nothing is added here.
_BEFORE_THE_FIRST_RELEASE = {
    "accounts": [
        "0002_city_of_100_characters",  # a longer text, which rewrites nothing
        "0005_erased_users",  # constraints built under a lock
    ],
    "tax": ["0002_city_of_100_characters"],
    "invoicing": ["0004_documents_by_what_is_sold"],  # longer texts; constraints built under a lock
    "orders": ["0007_order_addresses"],  # columns that move to a table of their own, at once
    "payments": [
        "0009_gateway_fact_exceptions",  # longer texts; constraints built under a lock
        "0010_transferred_by",  # columns that the code before them would not fill
        "0011_kinds_of_settlement_lines",  # a constraint built under a lock
        "0015_refund_line_amounts",
        "0016_lines_by_kind",  # its index is built without a lock, which the linter cannot see
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
        ignore_name=tuple(name for names in _BEFORE_THE_FIRST_RELEASE.values() for name in names),
    )
    linter.lint_all_migrations()
    linter.print_summary()
    return 1 if linter.has_errors else 0
