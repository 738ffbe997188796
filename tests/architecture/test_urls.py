"""The paths of the API: resources are plural nouns, an object follows its collection, and actions are sub-resources."""

import re

import pytest

from tests.architecture.route_map import list_routes

#: What is one of its kind for a caller, or a door to several resources.
SINGLE = {"auth", "me", "gst", "reconciliation"}
WORD = re.compile(r"[a-z]+(-[a-z]+)*(\.svg)?")
IDENTIFIER = re.compile(r"<([a-z_]+)>")
PATHS = sorted({route.path for route in list_routes()})


def find_fault(path: str) -> str:
    """Return what is wrong with a path, or nothing."""
    parts = path.split("/")
    if parts[0] not in SINGLE and not parts[0].endswith("s"):
        return "the first word is the plural of a resource"
    for before, part in zip(["", *parts], parts, strict=False):
        name = IDENTIFIER.fullmatch(part)
        if not name and not WORD.fullmatch(part):
            return "a word is in small letters, parted by hyphens"
        if name and not (before.endswith("s") or before in ("otp", "gstin")):
            return "the id of an object follows its collection"
    return ""


def test_every_path_keeps_the_rules() -> None:
    assert len(PATHS) > 60
    assert {path: fault for path in PATHS if (fault := find_fault(path))} == {}


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("order/<order_id>", "the first word is the plural of a resource"),
        ("orders/getOrder", "a word is in small letters, parted by hyphens"),
        ("orders/<order_id>/line/<line_id>", "the id of an object follows its collection"),
        ("orders/<order_id>/cancel", ""),
    ],
)
def test_a_path_that_breaks_a_rule_is_found(path: str, fault: str) -> None:
    assert find_fault(path) == fault


def test_a_path_that_reads_is_not_the_one_that_acts() -> None:
    """What GET returns has no side effect, so that no path of an action is read by it."""
    actions = {"cancel", "approve", "reject", "retry", "accept", "contest", "sync", "verify", "resolve", "assign"}

    assert [
        route.key for route in list_routes() if route.method == "GET" and route.path.split("/")[-1] in actions
    ] == []
