"""What happens by itself when its time has come, and the moving forward of that time."""

from __future__ import annotations

from collections.abc import Callable

from sandbox.razorpay import delivery, disputes, links, payments, qr_codes, refunds, settlements
from sandbox.state import World

_LONGEST_PAUSE = 30.0

_ACTIONS: dict[str, Callable[[World, str], None]] = {
    "payment_expiry": payments.expire,
    "approve": payments.approve_later,
    "auto_refund": refunds.auto_refund_uncaptured,
    "refund_processed": lambda world, refund_id: refunds.conclude_due(world, refund_id, "processed"),
    "refund_failed": lambda world, refund_id: refunds.conclude_due(world, refund_id, "failed"),
    "settlement": lambda world, _: settlements.settle_due(world),
    "dispute_deadline": disputes.miss_deadline,
    "link_expiry": links.expire,
    "qr_close": qr_codes.expire,
    "webhook": delivery.retry,
}


def catch_up(world: World) -> None:
    """Do all that is due by now. The caller holds the world's lock."""
    while (item := world.razorpay.agenda.pop_due(world.clock.now())) is not None:
        kind, entity_id = item
        _ACTIONS[kind](world, entity_id)


def advance(world: World, seconds: float) -> None:
    """
    Move the sandbox's clock forward, stopping at each thing that falls due so that it happens at its own time.

    The caller does not hold the lock: while webhooks are retried by this clock, each stop waits until those under way
    have been answered.

    :raises ValueError: if `seconds` is negative
    """
    if seconds < 0:
        raise ValueError("the clock goes forward only")
    left = seconds
    while True:
        _wait_for_webhooks(world)
        with world.lock:
            catch_up(world)
            due = world.razorpay.agenda.next_due()
            step = left if due is None else min(left, max(0.0, due - world.clock.now()))
            world.clock.advance(step)
            left -= step
            catch_up(world)
            if left <= 0:
                world.changed()
                break
    _wait_for_webhooks(world)


def _wait_for_webhooks(world: World) -> None:
    if world.razorpay.policy.schedule == "razorpay":
        world.scheduler.wait_idle(_LONGEST_PAUSE)
