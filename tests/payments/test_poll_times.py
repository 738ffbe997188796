"""When something is asked again: each wait of each timetable, in seconds from now."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from apps.payments import rules
from apps.payments.states import PaymentStatus

NOW = datetime(2026, 11, 29, 9, 0, tzinfo=UTC)
HOUR = 3_600
DAY = 24 * HOUR
Ask = Callable[[int], datetime | None]


def payment(status: PaymentStatus, *, is_by_link: bool = False, is_link_closed: bool = False) -> Ask:
    return lambda checks: rules.next_payment_check(
        status=status, checks=checks, live_until=NOW + timedelta(days=2), is_known_to_gateway=True, now=NOW,
        is_by_link=is_by_link, is_link_closed=is_link_closed,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("ask", "waits"),
    [
        (payment(PaymentStatus.PROCESSING), [15, 15, 30, 60, 120, 300, 300, 300]),
        (payment(PaymentStatus.PROCESSING, is_by_link=True), [30, 60, 300, 900, 1_800, 1_800, 1_800, 1_800]),
        (payment(PaymentStatus.CANCELLED, is_by_link=True), [20, 60, 300, 600, 600, 600, 600, 600]),
        (payment(PaymentStatus.CANCELLED), [600, HOUR, 6 * HOUR, DAY, DAY, DAY, None, None]),
        (
            payment(PaymentStatus.EXPIRED, is_by_link=True, is_link_closed=True),
            [600, HOUR, 6 * HOUR, DAY, DAY, DAY, None, None],
        ),
        (
            lambda checks: rules.next_refund_check(checks=checks, now=NOW),
            [15, 30, 60, 300, 900, HOUR, HOUR, HOUR],
        ),
        (
            lambda checks: rules.next_rejected_refund_check(checks=checks, now=NOW),
            [600, HOUR, DAY, None, None, None, None, None],
        ),
        (
            lambda checks: rules.next_webhook_attempt(attempts=checks + 1, now=NOW),
            [60, 300, 900, HOUR, 6 * HOUR, None, None, None],
        ),
    ],
    ids=["live", "live link", "closing link", "closed", "closed link", "refund", "rejected refund", "webhook"],
)
def test_the_timetable_is(ask: Ask, waits: list[int | None]) -> None:
    assert list(seconds_of(ask)) == waits


def seconds_of(ask: Ask) -> Iterator[float | None]:
    for checks in range(8):
        at = ask(checks)
        yield None if at is None else (at - NOW).total_seconds()
