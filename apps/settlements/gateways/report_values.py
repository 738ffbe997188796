"""Amounts and times of the lines of a downloaded report, as its format says that they are written."""

from collections.abc import Callable
from datetime import datetime

from apps.payments.facts import HIGHEST, UnreadableFacts, instant_from
from apps.settlements.gateways.report_cells import hundredths_from, instant_from_cell, is_unix_time
from apps.settlements.gateways.report_formats import RUPEES, ReportFormat

Cells = dict[str, str]


def amounts_of(report_format: ReportFormat) -> Callable[[Cells, str], int]:
    """
    Return what reads an amount, in paise, from the cells of a line by the name of its column.

    :raises UnreadableFacts: (by what is returned) if it is no amount in the unit of the report
    """
    mark, in_rupees = report_format.shape.decimal_mark, report_format.unit == RUPEES

    def amount_from(cells: Cells, name: str) -> int:
        cell = cells.get(name, "")
        if not cell or cell == "0":
            return 0
        hundredths = hundredths_from(cell, mark)
        if hundredths is None or hundredths > HIGHEST or (not in_rupees and hundredths % 100):
            raise UnreadableFacts(f"{name} is not in {report_format.unit}: {cell[:20]!r}")
        return hundredths if in_rupees else hundredths // 100

    return amount_from


def times_of(report_format: ReportFormat) -> Callable[[Cells, str], datetime | None]:
    """
    Return what reads an instant from the cells of a line by the name of its column, or None from an empty one.

    :raises UnreadableFacts: (by what is returned) if it is no time
    """
    # All lines of a settlement have its time: what was read last of a column is read once.
    latest: dict[str, tuple[str, datetime | None]] = {}

    def time_from(cells: Cells, name: str) -> datetime | None:
        cell = cells.get(name, "")
        if not cell:
            return None
        if name in latest and latest[name][0] == cell:
            return latest[name][1]
        at = read(cells, name, cell)
        latest[name] = cell, at
        return at

    def read(cells: Cells, name: str, cell: str) -> datetime | None:
        if is_unix_time(cell):
            return instant_from(cells, name)
        try:
            return instant_from_cell(cell, report_format.date_order)
        except ValueError as failure:
            raise UnreadableFacts(f"{name} is not a time: {cell[:20]!r}") from failure

    return time_from
