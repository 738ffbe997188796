"""/v1/settlements and their report: what was captured goes to the merchant's bank, less fees, refunds and disputes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import islice

from werkzeug.wrappers import Request

from sandbox.json_types import JsonObject
from sandbox.razorpay import settlement_reports, synthetic_reports, validation, webhooks
from sandbox.razorpay.bank_calendar import compute_settlement_time, find_indian_day
from sandbox.razorpay.entities import Adjustment, Payment, Refund, ReportLine, Settlement
from sandbox.razorpay.errors import Refused
from sandbox.state import World

_MAX_REPORT = 1_000

Debit = Refund | Adjustment


def settle_due_payments(world: World) -> None:
    """Make the settlement whose time has come by the clock, unless the knob says that nobody settles by itself."""
    if world.razorpay.knobs.auto_settle:
        settle_payments(world, due_only=True, errors=world.razorpay.knobs.settlement_errors, targets={})


def settle_payments(
    world: World, *, due_only: bool, errors: Mapping[str, int], targets: Mapping[str, str]
) -> Settlement | None:
    """
    Pay out what is captured and not settled yet: all of it, or what is due by the working days.

    Refunds and corrections since the last one are taken off, as far as the money reaches; the rest waits for the next.
    `errors` says how many of each kind to plant, `targets` the kind for given entities. None if there is no money.
    """
    payments = _list_unsettled_payments(world, due_only=due_only)
    prepaid = _choose_prepaid(payments, world.razorpay.knobs.fee_credits)
    credits_given, debits = _list_corrections(world)
    budget = sum(row.amount - (0 if row.id in prepaid else row.fee or 0) for row in payments)
    affordable = _choose_affordable(debits, budget + sum(row.amount for row in credits_given))
    if affordable is None:
        return None

    settlement = _begin_settlement(world)
    items = [*payments, *credits_given, *affordable]
    world.razorpay.knobs.fee_credits -= sum(row.fee or 0 for row in payments if row.id in prepaid)
    lines = _make_lines(world, settlement, items, prepaid=prepaid)
    seed = f"{world.settings.seed}:{settlement.id}"
    settlement_reports.fill_settlement(settlement, lines, _choose_errors(lines, errors, targets, seed=seed))
    for item in items:
        item.settlement_id = settlement.id
    world.razorpay.settlements[settlement.id] = settlement
    webhooks.emit_events(world, [webhooks.PendingEvent("settlement.processed", {"settlement": settlement.to_wire()})])
    return settlement


def _choose_affordable(debits: Iterable[Debit], budget: int) -> list[Debit] | None:
    """Return the debits that the money (paise) is enough for, oldest first; None if nothing is left to transfer."""
    chosen: list[Debit] = []
    for debit in debits:
        if abs(debit.amount) < budget:
            chosen.append(debit)
            budget -= abs(debit.amount)
    return chosen if budget > 0 else None


def _choose_errors(
    lines: list[ReportLine], errors: Mapping[str, int], targets: Mapping[str, str], *, seed: str
) -> list[tuple[str, str]]:
    """Return pairs of kind and entity id: the targets that are in the report, then others at random."""
    ids = {line["entity_id"] for line in lines}
    wanted = [(kind, entity_id) for entity_id, kind in targets.items() if entity_id in ids]
    free = [line for line in lines if line["entity_id"] not in targets]
    return wanted + settlement_reports.choose_lines(errors, free, seed=seed)


def _begin_settlement(world: World) -> Settlement:
    now = world.clock.unix()
    return Settlement(
        id=world.ids.razorpay("setl"),
        amount=0,
        fees=0,
        tax=0,
        utr=f"{now}{world.ids.hex('utr', 6)}",
        created_at=now,
        lines=0,
    )


def _list_unsettled_payments(world: World, *, due_only: bool) -> list[Payment]:
    knobs, now = world.razorpay.knobs, world.clock.unix()
    found = []
    for payment in world.razorpay.payments.values():
        if payment.captured_at is None or payment.settlement_id is not None:
            continue
        due = compute_settlement_time(payment.captured_at, working_days=knobs.settlement_days, holidays=knobs.holidays)
        if due <= now or not due_only:
            found.append(payment)
    return found


def _list_corrections(world: World) -> tuple[list[Adjustment], list[Debit]]:
    """Return what is to be added to the next settlement, and what is to be taken off it, oldest first."""
    gateway = world.razorpay
    open_adjustments = [row for row in gateway.adjustments.values() if row.settlement_id is None]
    debits: list[Debit] = [
        row
        for row in gateway.refunds.values()
        if row.settlement_id is None and row.status != "failed" and not row.automatic
    ]
    debits += [row for row in open_adjustments if row.amount < 0]
    debits.sort(key=lambda row: (row.created_at, row.id))
    return [row for row in open_adjustments if row.amount > 0], debits


def _choose_prepaid(payments: Iterable[Payment], fee_credits: int) -> set[str]:
    """Return the payments whose whole fee the prepaid credits (paise) pay, first come first."""
    found = set()
    for payment in payments:
        if 0 < (payment.fee or 0) <= fee_credits:
            fee_credits -= payment.fee or 0
            found.add(payment.id)
    return found


def _make_lines(
    world: World, settlement: Settlement, items: Iterable[Payment | Refund | Adjustment], *, prepaid: Collection[str]
) -> list[ReportLine]:
    gateway = world.razorpay
    lines = []
    for item in items:
        if isinstance(item, Payment):
            order = gateway.find_order_of(item)
            lines.append(
                settlement_reports.make_payment_line(settlement, item, order, by_fee_credits=item.id in prepaid)
            )
        elif isinstance(item, Refund):
            payment = gateway.payments[item.payment_id]
            lines.append(settlement_reports.make_refund_line(settlement, item, payment, gateway.find_order_of(payment)))
        else:
            lines.append(settlement_reports.make_adjustment_line(settlement, item))
    return lines


def list_lines(settlement: Settlement) -> list[ReportLine]:
    """Return the lines that a settlement's report has, errors included."""
    return settlement.rows if settlement.recipe is None else synthetic_reports.remake_lines(settlement).rows


def find_settlements(world: World, *, year: int, month: int, day: int | None) -> list[Settlement]:
    """Return the settlements of a month or a day of the Indian calendar."""
    found = []
    for settlement in world.razorpay.settlements.values():
        on = find_indian_day(settlement.created_at)
        if (on.year, on.month) == (year, month) and day in {None, on.day}:
            found.append(settlement)
    return found


def fetch_report(world: World, request: Request) -> JsonObject:
    validation.refuse_extra_fields(dict(request.args), {"year", "month", "day", "count", "skip"})
    year, month, day = read_period(request)
    count = validation.read_number(request, "count", 10, 1, _MAX_REPORT)
    skip = validation.read_number(request, "skip", 0, 0, 10**9)
    found = find_settlements(world, year=year, month=month, day=day)
    return validation.as_collection(list(islice(_skip_lines(found, skip), count)))


def _skip_lines(settlements: list[Settlement], skip: int) -> Iterator[ReportLine]:
    """Yield lines from the one after `skip` on; whole settlements are passed over without being made."""
    for settlement in settlements:
        if settlement.lines <= skip:
            skip -= settlement.lines
            continue
        yield from list_lines(settlement)[skip:]
        skip = 0


def read_period(request: Request) -> tuple[int, int, int | None]:
    """
    Read `year`, `month` and perhaps `day` of a query.

    :raises Refused: if they are missing or no such days
    """
    year, month, day = (request.args.get(name) for name in ("year", "month", "day"))
    if year is None or month is None:
        name = "year" if year is None else "month"
        raise Refused(f"The {name} field is required.", field=name)
    if not re.fullmatch(r"\d{4}", year):
        raise Refused("The year must be 4 digits.", field="year")
    if not re.fullmatch(r"0?[1-9]|1[0-2]", month):
        raise Refused("The month is not a valid month.", field="month")
    if day is not None and not re.fullmatch(r"0?[1-9]|[12]\d|3[01]", day):
        raise Refused("The day must be between 1 and 2 digits.", field="day")
    return int(year), int(month), int(day) if day is not None else None


def fetch_settlement(world: World, _request: Request, settlement_id: str) -> JsonObject:
    return validation.find_entity(world.razorpay.settlements, settlement_id, "setl").to_wire()


def list_settlements(world: World, request: Request) -> JsonObject:
    rows = sorted(world.razorpay.settlements.values(), key=lambda row: row.created_at, reverse=True)
    return validation.as_collection([row.to_wire() for row in validation.cut_page(request, rows)])
