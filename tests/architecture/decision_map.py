"""`docs/decisions/README.md`, the index of decisions, written from their files."""

import re
from pathlib import Path
from typing import NamedTuple

_INTRODUCTION = """\
# Decisions

Why things are as they are: each page has the context, the decision, its consequences and what was weighed against it.
Written by `make maps`; do not edit. A new decision takes the next number, and a decision is not rewritten: another one
replaces it.
"""
_HEAD = re.compile(
    r"# (?P<number>\d+)\. (?P<title>[^\n]+)\n\nDate: (?P<day>\d{4}-\d{2}-\d{2})\n\nStatus: (?P<state>.+?)\n\n## Context\n",
    re.DOTALL,
)


class Decision(NamedTuple):
    """One page of a decision, as the index shows it."""

    number: int
    title: str
    day: str
    state: str
    file: str


def read_decision(path: Path) -> Decision:
    """
    Return the decision of a page.

    :raises ValueError: if the page does not begin with number, title, date and status
    """
    found = _HEAD.match(path.read_text())
    if found is None:
        raise ValueError(
            f"{path.name} begins with '# 1. Title', 'Date: 2026-11-21', 'Status: accepted' and '## Context'"
        )
    state = " ".join(found["state"].split())
    return Decision(int(found["number"]), found["title"], found["day"], state, path.name)


def list_decisions() -> list[Decision]:
    """Return all decisions by number."""
    from tests.architecture.maps import ROOT

    return [read_decision(path) for path in sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))]


def render_decisions() -> str:
    """Return the index of decisions."""
    lines = [*_INTRODUCTION.splitlines(), "", "| | Decision | Date | State |", "|---|---|---|---|"]
    lines += [
        f"| {each.number} | [{each.title}]({each.file}) | {each.day} | {each.state} |" for each in list_decisions()
    ]
    return "\n".join(lines) + "\n"
