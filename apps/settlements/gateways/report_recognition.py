"""
Deciding in which unit and date order a downloaded report is written: by all of its rows, and by what we hold of the same payments.

What neither decides is refused: an amount that is read as paise instead of rupees is a hundred times too small.
"""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta

from apps.core.clock import IST
from apps.payments.facts import UnreadableFacts
from apps.settlements.gateways.report_formats import (
    DATE_ORDERS,
    DAY_FIRST,
    MONTH_FIRST,
    PAISE,
    RUPEES,
    KnownFact,
    ReportFormat,
    ReportInspection,
    Sample,
)

#: How much our time and the gateway's time of one payment may differ. A date in the wrong order is weeks off.
_SAME_TIME = timedelta(days=5)


def resolve_format(
    inspection: ReportInspection, *, known: Mapping[str, KnownFact], date_order: str | None, today: date
) -> ReportFormat:
    """
    Return the format of a report, decided by its rows and by what we hold of the same payments.

    `date_order` is what a user says of it; it may not contradict the file.

    :raises UnreadableFacts: if unit or date order cannot be decided; the message says how to go on
    """
    return ReportFormat(
        shape=inspection.shape,
        content=inspection.content,
        unit=_unit(inspection, known),
        date_order=_date_order(inspection, known, date_order, today),
        is_fee_net=inspection.is_fee_net,
    )


def _unit(inspection: ReportInspection, known: Mapping[str, KnownFact]) -> str:
    ours = _units_matching_known(inspection.samples, known)
    rupee_signs = inspection.is_rupee_layout or inspection.has_decimals
    if len(ours) == 1:
        (unit,) = ours
        if unit == RUPEES or not inspection.has_decimals:
            return unit
    elif not ours and rupee_signs != inspection.has_unix_times:
        return RUPEES if rupee_signs else PAISE
    elif not ours and inspection.has_unix_times and not inspection.is_rupee_layout:
        # As the API writes it, but for one amount: the row is named when it is read.
        return PAISE
    raise UnreadableFacts(
        "nothing in it shows whether its amounts are rupees or paise; download Reports > Settlement Recon as CSV in"
        " Razorpay's dashboard, or read the day from the gateway with --date"
    )


def _units_matching_known(samples: Iterable[Sample], known: Mapping[str, KnownFact]) -> set[str]:
    units = set()
    for sample in samples:
        fact = known.get(sample.id)
        if fact is None or not fact.amount or sample.hundredths is None:
            continue
        if sample.hundredths == fact.amount:
            units.add(RUPEES)
        elif sample.hundredths == fact.amount * 100:
            units.add(PAISE)
    return units


def _date_order(inspection: ReportInspection, known: Mapping[str, KnownFact], said: str | None, today: date) -> str:
    if inspection.example is None and len(inspection.orders) == len(DATE_ORDERS):
        return said or DAY_FIRST
    orders = set(inspection.orders)
    if not orders:
        raise UnreadableFacts(
            "some of its dates have the day first and others the month; a spreadsheet program may have changed them:"
            " download the report again and import it unchanged"
        )
    if said is not None:
        if said not in orders:
            raise UnreadableFacts(f"its dates cannot be {said}: they fit only {', '.join(orders)}")
        return said
    if len(orders) == 1:
        return orders.pop()
    # Nothing is settled tomorrow; and our own payments and settlements were made when we know.
    not_to_come = {order for order in orders if inspection.latest[order] <= today + timedelta(days=1)}
    for rest in (not_to_come, not_to_come & _orders_matching_known(inspection.samples, known)):
        if len(rest) == 1:
            return rest.pop()
    raise UnreadableFacts(
        f"its dates, such as {inspection.example}, can be read with the day or the month first; run the import again with"
        f" --date-order {DAY_FIRST} or --date-order {MONTH_FIRST}"
    )


def _orders_matching_known(samples: Iterable[Sample], known: Mapping[str, KnownFact]) -> set[str]:
    orders = set()
    for sample in samples:
        fact = known.get(sample.id)
        if fact is None or fact.at is None or sample.at is None or sample.at.first == sample.at.second:
            continue
        on = fact.at.astimezone(IST).date()
        for order in DATE_ORDERS:
            read = sample.at.read(order)
            if read is not None and abs(read - on) <= _SAME_TIME:
                orders.add(order)
    return orders
