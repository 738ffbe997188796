"""The migration linter, called directly, so that it is not one of the installed apps."""

from __future__ import annotations

import os
from pathlib import Path


def main() -> int:
    """Lint every migration of Bahi; return 1 if one is unsafe while the previous version still runs."""
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
        # The first migration of an app creates its tables, which no running version uses yet.
        ignore_initial_migrations=True,
    )
    linter.lint_all_migrations()
    linter.print_summary()
    return 1 if linter.has_errors else 0
