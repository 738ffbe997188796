"""Decisions are numbered without gaps, dated, and say their state."""

from datetime import date
from pathlib import Path

import pytest

from tests.architecture.decision_map import list_decisions, read_decision

PAGE = "# 7. Short names\n\nDate: 2026-11-21\n\nStatus: accepted;\nreplaces 3\n\n## Context\n\nText.\n"


def test_numbers_have_no_gap_and_begin_the_names_of_the_files() -> None:
    decisions = list_decisions()

    assert [each.number for each in decisions] == list(range(1, len(decisions) + 1))
    assert [each.file[:5] for each in decisions] == [f"{each.number:04}-" for each in decisions]


def test_no_decision_is_older_than_the_one_before() -> None:
    days = [date.fromisoformat(each.day) for each in list_decisions()]

    assert days == sorted(days)


def test_a_page_is_read_from_its_head(tmp_path: Path) -> None:
    page = tmp_path / "0007-short-names.md"
    page.write_text(PAGE)

    assert read_decision(page) == (7, "Short names", "2026-11-21", "accepted; replaces 3", "0007-short-names.md")


@pytest.mark.parametrize("line", ["# 7. Short names\n\n", "Date: 2026-11-21\n\n", "Status: accepted;\nreplaces 3\n\n"])
def test_a_page_without_a_line_of_its_head_is_refused(tmp_path: Path, line: str) -> None:
    page = tmp_path / "0007-short-names.md"
    page.write_text(PAGE.replace(line, ""))

    with pytest.raises(ValueError, match="0007-short-names.md begins with '# 1. Title'"):
        read_decision(page)
