"""
The pages of docs that are made from the code; `make maps` writes them.

A page is written here alone, and a test fails while one is not what would be written.
"""

import os
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def list_pages() -> dict[str, Callable[[], str]]:
    """Return what writes each page, by its path. Django must be set up."""
    from tests.architecture.capability_map import render_capabilities
    from tests.architecture.decision_map import render_decisions
    from tests.architecture.error_map import render_errors
    from tests.architecture.model_map import render_models
    from tests.architecture.route_map import render_routes

    return {
        "docs/api/errors.md": render_errors,
        "docs/capabilities.md": render_capabilities,
        "docs/decisions/README.md": render_decisions,
        "docs/models.md": render_models,
        "docs/routes.md": render_routes,
    }


def write_pages() -> None:
    """Write every page whose text has changed."""
    for name, render in list_pages().items():
        page, text = ROOT / name, render()
        if not page.exists() or page.read_text() != text:
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(text)


if __name__ == "__main__":
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.test")
    django.setup()
    write_pages()
