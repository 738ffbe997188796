"""When the poller checks again, and how long a payment stays live."""

from datetime import datetime, timedelta

from apps.payments.states import (
    LIVE,
    SUCCESSFUL,
    AttemptStatus,
    PaymentChannel,
)

#: Seconds between two checks of a live payment by the poller; the last one repeats.
_LIVE_WAITS = (15, 15, 30, 60, 120, 300)


#: The same for a payment link or QR code, which may stay open for a day: webhooks report its payments.
_LINK_WAITS = (30, 60, 300, 900, 1_800)


#: The same for a closed payment whose link is still open at the gateway; the last one repeats until the link is closed.
_CLOSING_WAITS = (20, 60, 300, 600)


#: The same for a closed payment: a bank may still respond, and a webhook may be lost. After the last one polling ends.
_CLOSED_WAITS = (600, 3_600, 6 * 3_600, 24 * 3_600, 24 * 3_600, 24 * 3_600)


#: Seconds between two checks of a refund in progress at the gateway; the last one repeats, because a bank takes days.
_REFUND_WAITS = (15, 30, 60, 300, 900, 3_600)


#: Seconds between two checks of a refund whose call the gateway rejected: it may have made the refund all the same.
_REJECTED_WAITS = (600, 3_600, 24 * 3_600)


#: Seconds before another attempt to process a webhook; after the last one it is parked.
_WEBHOOK_WAITS = (60, 300, 900, 3_600, 6 * 3_600)


MAX_WEBHOOK_ATTEMPTS = len(_WEBHOOK_WAITS) + 1


#: An attempt in progress keeps its payment live for this time; Razorpay times an attempt out after ten minutes.
PENDING_ATTEMPT_TTL = timedelta(minutes=12)


MAX_QR_CODE_TTL = timedelta(hours=2)


def next_webhook_attempt(*, attempts: int, now: datetime) -> datetime | None:
    """Return when a webhook is processed again after `attempts` failed attempts, or None after the last one."""
    if attempts >= MAX_WEBHOOK_ATTEMPTS:
        return None
    return now + timedelta(seconds=_WEBHOOK_WAITS[max(0, attempts - 1)])


def next_payment_check(
    *,
    status: str,
    checks: int,
    live_until: datetime,
    is_known_to_gateway: bool,
    now: datetime,
    is_by_link: bool = False,
    is_link_closed: bool = False,
) -> datetime | None:
    """Return when the poller next checks a payment, or None if never; a live one by `live_until`."""
    if status in SUCCESSFUL:
        return None
    if status in LIVE:
        waits = _LINK_WAITS if is_by_link else _LIVE_WAITS
        wait = timedelta(seconds=waits[min(checks, len(waits) - 1)])
        return min(now + wait, live_until) if live_until > now else now + wait
    if is_known_to_gateway and is_by_link and not is_link_closed:
        return now + timedelta(seconds=_CLOSING_WAITS[min(checks, len(_CLOSING_WAITS) - 1)])
    if not is_known_to_gateway or checks >= len(_CLOSED_WAITS):
        return None
    return now + timedelta(seconds=_CLOSED_WAITS[checks])


def extend_live_until(live_until: datetime, *, status: str, now: datetime) -> datetime:
    """Return until when a payment is live after an attempt was reported: one in progress may still finish."""
    if status in (AttemptStatus.CREATED, AttemptStatus.AUTHORIZED):
        return max(live_until, now + PENDING_ATTEMPT_TTL)
    return live_until


def link_ttl(channel: str, setting: timedelta) -> timedelta:
    """Return how long a payment link or QR code is open. The gateway closes a QR code after two hours at the latest."""
    return min(setting, MAX_QR_CODE_TTL) if channel == PaymentChannel.QR_CODE else setting


def next_rejected_refund_check(*, checks: int, now: datetime) -> datetime | None:
    """Return when the poller checks a refund again whose call the gateway rejected, or None after the last time."""
    return now + timedelta(seconds=_REJECTED_WAITS[checks]) if checks < len(_REJECTED_WAITS) else None


def next_refund_check(*, checks: int, now: datetime) -> datetime:
    """Return when the poller checks an open refund again."""
    return now + timedelta(seconds=_REFUND_WAITS[min(checks, len(_REFUND_WAITS) - 1)])
