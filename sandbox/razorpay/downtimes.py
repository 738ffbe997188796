"""/v1/payments/downtimes, and what happens to a downtime: planned, started, changed, resolved."""

from __future__ import annotations

from werkzeug.wrappers import Request

from sandbox.json_types import JsonObject
from sandbox.razorpay import validation, webhooks
from sandbox.razorpay.entities import PaymentDowntime
from sandbox.state import World

METHODS = ("upi", "card", "netbanking")
SEVERITIES = ("high", "medium", "low")
#: What can be down, by method. Webhooks call a card's `card_type` `type`.
INSTRUMENTS = {
    "upi": ("vpa_handle", "psp", "flow"),
    "card": ("network", "issuer", "card_type"),
    "netbanking": ("bank",),
}


class DowntimeResolved(Exception):
    """The downtime is over; the text names it."""


def list_downtimes(world: World, _request: Request) -> JsonObject:
    """Return the downtimes that are planned or under way; the documented statuses of the list have no resolved one."""
    open_downtimes = [row for row in reversed(world.razorpay.downtimes.values()) if row.status != "resolved"]
    return validation.as_collection([row.to_wire() for row in open_downtimes])


def fetch_downtime(world: World, _request: Request, downtime_id: str) -> JsonObject:
    return validation.find_entity(world.razorpay.downtimes, downtime_id, "down").to_wire()


def plan_downtime(
    world: World, *, method: str, instrument: dict[str, str], severity: str, begin_in: int, lasts: int | None
) -> PaymentDowntime:
    """
    Plan a downtime that begins in `begin_in` seconds of the sandbox's clock, or at once.

    One with a begin to come is scheduled, and only then is its end known. One without `lasts` goes on until it is resolved.
    """
    now = world.clock.unix()
    is_scheduled = begin_in > 0
    begin = now + begin_in
    downtime = PaymentDowntime(
        id=world.ids.razorpay("down"),
        method=method,
        begin=begin,
        end=begin + lasts if is_scheduled and lasts is not None else None,
        status="scheduled",
        scheduled=is_scheduled,
        severity=severity,
        created_at=now,
        updated_at=now,
        instrument=instrument,
    )
    world.razorpay.downtimes[downtime.id] = downtime
    if is_scheduled:
        world.razorpay.timers.set(begin, "downtime_start", downtime.id)
    if lasts is not None:
        world.razorpay.timers.set(begin + lasts, "downtime_end", downtime.id)
    if not is_scheduled:
        start_downtime(world, downtime.id)
    world.notify_change()
    return downtime


def start_downtime(world: World, downtime_id: str) -> None:
    """Let a planned downtime begin, unless it was resolved before."""
    downtime = world.razorpay.downtimes[downtime_id]
    if downtime.status == "scheduled":
        downtime.status = "started"
        _report(world, downtime, "started")


def change_severity(world: World, downtime: PaymentDowntime, *, severity: str) -> None:
    """
    Change how severe a downtime is.

    :raises DowntimeResolved: if it is over
    """
    if downtime.status == "resolved":
        raise DowntimeResolved(f"The downtime {downtime.id} is resolved.")
    downtime.severity = severity
    if downtime.status != "scheduled":
        downtime.status = "updated"
    _report(world, downtime, "updated")


def resolve_downtime(world: World, downtime: PaymentDowntime) -> None:
    """
    End a downtime.

    :raises DowntimeResolved: if it is over
    """
    if downtime.status == "resolved":
        raise DowntimeResolved(f"The downtime {downtime.id} is resolved.")
    downtime.status = "resolved"
    downtime.end = world.clock.unix()
    _report(world, downtime, "resolved")


def end_downtime(world: World, downtime_id: str) -> None:
    """End a downtime whose time is up, unless it was resolved before."""
    downtime = world.razorpay.downtimes[downtime_id]
    if downtime.status != "resolved":
        resolve_downtime(world, downtime)


def _report(world: World, downtime: PaymentDowntime, what: str) -> None:
    downtime.updated_at = world.clock.unix()
    instrument = {("type" if name == "card_type" else name): value for name, value in downtime.instrument.items()}
    entity = {**downtime.to_wire(), "instrument": instrument, "instrument_schema": list(instrument)}
    webhooks.emit_events(world, [webhooks.PendingEvent(f"payment.downtime.{what}", {"payment.downtime": entity})])
