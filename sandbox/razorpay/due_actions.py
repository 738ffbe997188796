"""What happens by itself when its time has come, and how the clock is moved forward to it."""

from __future__ import annotations

from collections.abc import Callable

from sandbox.razorpay import (
    disputes,
    downtimes,
    payment_links,
    payments,
    qr_codes,
    refunds,
    settlements,
    webhook_delivery,
)
from sandbox.state import World

_LONGEST_PAUSE_SECONDS = 30.0

_ACTIONS: dict[str, Callable[[World, str], None]] = {
    "payment_expiry": payments.expire_payment,
    "approve": payments.approve_scheduled,
    "auto_refund": refunds.auto_refund_uncaptured,
    "refund_processed": lambda world, refund_id: refunds.conclude_due_refund(world, refund_id, "processed"),
    "refund_failed": lambda world, refund_id: refunds.conclude_due_refund(world, refund_id, "failed"),
    "settlement": lambda world, _: settlements.settle_due_payments(world),
    "dispute_deadline": disputes.lose_unanswered_dispute,
    "link_expiry": payment_links.expire_link,
    "qr_close": qr_codes.expire_qr_code,
    "downtime_start": downtimes.start_downtime,
    "downtime_end": downtimes.end_downtime,
    "webhook": webhook_delivery.retry_event,
}


def run_due(world: World) -> None:
    """Carry out all that is due by now. The caller holds the world's lock."""
    while (item := world.razorpay.timers.pop_due(world.clock.now())) is not None:
        kind, entity_id = item
        _ACTIONS[kind](world, entity_id)


def advance_clock(world: World, seconds: float) -> None:
    """
    Move the sandbox's clock forward, stopping at each thing that falls due so that it happens at its own time.

    The caller does not hold the lock: while webhooks are retried by this clock, each stop waits until those under way
    have been answered.

    :raises ValueError: if `seconds` is negative
    """
    if seconds < 0:
        raise ValueError("The clock can only be moved forward.")
    left = seconds
    while True:
        _wait_for_webhooks(world)
        with world.lock:
            run_due(world)
            due = world.razorpay.timers.next_due()
            step = left if due is None else min(left, max(0.0, due - world.clock.now()))
            world.clock.advance(step)
            left -= step
            run_due(world)
            if left <= 0:
                world.notify_change()
                break
    _wait_for_webhooks(world)


def _wait_for_webhooks(world: World) -> None:
    if world.razorpay.policy.schedule == "razorpay":
        world.scheduler.wait_idle(_LONGEST_PAUSE_SECONDS)
