"""The table of a benchmark: what was measured, what is asked for, and whether it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """
    One figure and its budget.

    :param limit: the most that is allowed, or None for a figure that is only shown
    :param unit: what the figure counts: ms, statements, x
    :param note: what else there is to know, such as the figures that it is the sum of
    """

    work: str
    figure: float
    unit: str
    limit: float | None = None
    note: str = ""

    @property
    def holds(self) -> bool | None:
        """Return whether the figure keeps its budget, or None if it has none."""
        return None if self.limit is None else self.figure <= self.limit


_HEADINGS = ("work", "measured", "budget", "", "details")


def format_table(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table whose columns are aligned."""
    return format_columns(_HEADINGS, [_cells(row) for row in rows])


def format_columns(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return texts as a Markdown table whose columns are aligned."""
    cells = [headings, *rows]
    widths = [max(len(line[column]) for line in cells) for column in range(len(headings))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in cells
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def _cells(row: Row) -> tuple[str, ...]:
    verdict = {True: "holds", False: "missed", None: ""}[row.holds]
    limit = "" if row.limit is None else f"<= {_number(row.limit)} {row.unit}"
    return row.work, f"{_number(row.figure)} {row.unit}", limit, verdict, row.note


def _number(value: float) -> str:
    if value >= 1000:  # noqa: PLR2004 - from there on a fraction says nothing
        return f"{value:,.0f}"
    return f"{value:.3g}"
