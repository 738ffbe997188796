"""The map of routes is the one that the code has."""

from pathlib import Path

from tests.architecture.route_map import render_routes

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_page_of_routes_is_the_one_that_would_be_written() -> None:
    assert (ROOT / "docs" / "routes.md").read_text() == render_routes(), "run `make maps`"
