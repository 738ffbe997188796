"""/v1/settlements and their report: what was captured goes to the merchant's bank, less fees, refunds and disputes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import Any

from werkzeug.wrappers import Request

from sandbox.razorpay import recon, synthetic, validation, webhooks
from sandbox.razorpay.bankdays import day_in_india, settlement_due
from sandbox.razorpay.entities import Adjustment, Refund, Settlement
from sandbox.razorpay.errors import Refused
from sandbox.razorpay.state import Payment
from sandbox.state import World

_MAX_REPORT = 1_000


def settle_due(world: World) -> None:
    """Make the settlement whose time has come by the clock, unless the knob says that nobody settles by itself."""
    if world.razorpay.knobs.auto_settle:
        settle(world, due_only=True, errors=world.razorpay.knobs.settlement_errors, targets={})


def settle(world: World, *, due_only: bool, errors: dict[str, int], targets: dict[str, str]) -> Settlement | None:
    """
    Pay out what is captured and not settled yet: all of it, or what is due by the working days.

    Refunds and corrections since the last one are taken off, as far as the money reaches; the rest waits for the next.
    `errors` says how many of each kind to plant, `targets` the kind for given entities. None if there is no money.
    """
    gateway = world.razorpay
    payments = _unsettled_payments(world, due_only=due_only)
    prepaid = _paid_by_fee_credits(payments, gateway.knobs.fee_credits)
    taken, given = _corrections(world)
    budget = sum(row.amount - (0 if row.id in prepaid else row.fee or 0) for row in payments)
    budget += sum(row.amount for row in given)
    debits: list[Refund | Adjustment] = []
    for debit in taken:
        if abs(debit.amount) < budget:
            debits.append(debit)
            budget -= abs(debit.amount)
    if budget <= 0:
        return None

    settlement = _begin(world)
    gateway.knobs.fee_credits -= sum(row.fee or 0 for row in payments if row.id in prepaid)
    rows = _lines(world, settlement, [*payments, *given, *debits], prepaid=prepaid)
    pairs = [(kind, entity_id) for entity_id, kind in targets.items() if any(r["entity_id"] == entity_id for r in rows)]
    free = [row for row in rows if row["entity_id"] not in targets]
    pairs += recon.spread(errors, free, seed=f"{world.settings.seed}:{settlement.id}")
    recon.plant(settlement, rows, pairs)
    for item in [*payments, *given, *debits]:
        item.settlement_id = settlement.id
    gateway.settlements[settlement.id] = settlement
    webhooks.emit(world, [webhooks.PendingEvent("settlement.processed", {"settlement": settlement.wire()})])
    return settlement


def _begin(world: World) -> Settlement:
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


def _unsettled_payments(world: World, *, due_only: bool) -> list[Payment]:
    knobs, now = world.razorpay.knobs, world.clock.unix()
    found = []
    for payment in world.razorpay.payments.values():
        if payment.captured_at is None or payment.settlement_id is not None:
            continue
        due = settlement_due(payment.captured_at, working_days=knobs.settlement_days, holidays=knobs.holidays)
        if due <= now or not due_only:
            found.append(payment)
    return found


def _corrections(world: World) -> tuple[list[Refund | Adjustment], list[Adjustment]]:
    """Return what is to be taken off the next settlement, oldest first, and what is to be added to it."""
    gateway = world.razorpay
    open_adjustments = [row for row in gateway.adjustments.values() if row.settlement_id is None]
    taken: list[Refund | Adjustment] = [
        row
        for row in gateway.refunds.values()
        if row.settlement_id is None and row.status != "failed" and not row.automatic
    ]
    taken += [row for row in open_adjustments if row.amount < 0]
    taken.sort(key=lambda row: (row.created_at, row.id))
    return taken, [row for row in open_adjustments if row.amount > 0]


def _paid_by_fee_credits(payments: Iterable[Payment], credits: int) -> set[str]:
    """Return the payments whose whole fee the prepaid credits (paise) pay, first come first."""
    found = set()
    for payment in payments:
        if 0 < (payment.fee or 0) <= credits:
            credits -= payment.fee or 0
            found.add(payment.id)
    return found


def _lines(
    world: World, settlement: Settlement, items: Iterable[Payment | Refund | Adjustment], *, prepaid: Collection[str]
) -> list[dict[str, Any]]:
    gateway = world.razorpay
    rows = []
    for item in items:
        if isinstance(item, Payment):
            order = gateway.order_of(item)
            rows.append(recon.payment_line(settlement, item, order, by_fee_credits=item.id in prepaid))
        elif isinstance(item, Refund):
            payment = gateway.payments[item.payment_id]
            rows.append(recon.refund_line(settlement, item, payment, gateway.order_of(payment)))
        else:
            rows.append(recon.adjustment_line(settlement, item))
    return rows


def rows_of(settlement: Settlement) -> list[dict[str, Any]]:
    """Return the lines that a settlement's report has, errors included."""
    return settlement.rows if settlement.recipe is None else synthetic.remake(settlement).rows


def settled_on(world: World, *, year: int, month: int, day: int | None) -> list[Settlement]:
    """Return the settlements of a month or a day of the Indian calendar."""
    found = []
    for settlement in world.razorpay.settlements.values():
        on = day_in_india(settlement.created_at)
        if (on.year, on.month) == (year, month) and day in {None, on.day}:
            found.append(settlement)
    return found


def report(world: World, request: Request) -> dict[str, Any]:
    validation.refuse_extra(dict(request.args), {"year", "month", "day", "count", "skip"})
    year, month, day = read_period(request)
    count = validation.read_number(request, "count", 10, 1, _MAX_REPORT)
    skip = validation.read_number(request, "skip", 0, 0, 10**9)
    found = settled_on(world, year=year, month=month, day=day)
    return validation.collection(list(islice(_rows_after(found, skip), count)))


def _rows_after(settlements: list[Settlement], skip: int) -> Iterator[dict[str, Any]]:
    """Yield lines from the one after `skip` on; whole settlements are passed over without being made."""
    for settlement in settlements:
        if settlement.lines <= skip:
            skip -= settlement.lines
            continue
        yield from rows_of(settlement)[skip:]
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
        raise Refused("The day is not a valid day.", field="day")
    return int(year), int(month), int(day) if day is not None else None


def fetch(world: World, request: Request, settlement_id: str) -> dict[str, Any]:
    return validation.find(world.razorpay.settlements, settlement_id, "setl").wire()


def list_all(world: World, request: Request) -> dict[str, Any]:
    rows = sorted(world.razorpay.settlements.values(), key=lambda row: row.created_at, reverse=True)
    return validation.collection([row.wire() for row in validation.page(request, rows)])
