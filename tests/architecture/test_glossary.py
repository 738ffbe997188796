"""The glossary: its terms are in order, and each names a file that exists."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def rows() -> list[list[str]]:
    """Return the cells of each row of the table of terms."""
    lines = (ROOT / "GLOSSARY.md").read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("|---")) + 1
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[start:] if line.startswith("|")]


def test_terms_are_in_alphabetical_order() -> None:
    terms = [re.sub(r"\s*\(.*?\)", "", cells[0]).lower() for cells in rows()]

    assert terms == sorted(terms)


def test_each_term_names_a_file_that_exists() -> None:
    wrong = [cells[0] for cells in rows() if not (ROOT / cells[-1].strip("`")).is_file()]

    assert wrong == []
