"""Which units of a line a refund takes: those that are not to be sent, those on their way or lost, or those that arrived."""

import pytest

from apps.payments.rules import LineUnits, RefundedUnits, choose_refunded_units
from apps.payments.states import RefundReason

#: Ten units: two are cancelled, three not sent, one on its way, four delivered.
LINE = LineUnits(ordered=10_000, cancelled=2_000, dispatched=5_000, delivered=4_000)


@pytest.mark.parametrize(
    ("reason", "quantity", "expected"),
    [
        ("customer_request", 3_000, (3_000, 0, 0)),
        ("customer_request", 4_000, (3_000, 1_000, 0)),
        ("other", 8_000, (3_000, 1_000, 4_000)),
        ("price_adjusted", 5_000, (3_000, 1_000, 1_000)),
        ("goods_missing", 1_000, (0, 1_000, 0)),
        ("goods_missing", 5_000, (0, 1_000, 4_000)),
        ("goods_missing", 6_000, (1_000, 1_000, 4_000)),
        ("goods_returned", 4_000, (0, 0, 4_000)),
        ("goods_returned", 5_000, (0, 1_000, 4_000)),
        ("goods_returned", 8_000, (3_000, 1_000, 4_000)),
    ],
)
def test_the_reason_says_which_units_come_first(reason: str, quantity: int, expected: tuple[int, int, int]) -> None:
    unsent, undelivered, delivered = expected
    chosen = choose_refunded_units(quantity, reason=RefundReason(reason), line=LINE)
    assert chosen == RefundedUnits(unsent=unsent, undelivered=undelivered, delivered=delivered)
    assert chosen.sent == undelivered + delivered


def test_units_of_other_refunds_are_taken_already() -> None:
    refunded = RefundedUnits(unsent=2_000, undelivered=1_000, delivered=3_000)
    line = LineUnits(ordered=10_000, cancelled=2_000, dispatched=5_000, delivered=4_000, refunded=refunded)
    assert line.left == RefundedUnits(unsent=1_000, delivered=1_000)
    assert choose_refunded_units(1_000, reason=RefundReason.GOODS_RETURNED, line=line) == RefundedUnits(delivered=1_000)
    assert choose_refunded_units(1_000, reason=RefundReason.GOODS_MISSING, line=line) == RefundedUnits(delivered=1_000)
    assert choose_refunded_units(2_000, reason=RefundReason.OTHER, line=line) == RefundedUnits(
        unsent=1_000, delivered=1_000
    )


def test_more_than_there_is_counts_as_never_sent() -> None:
    line = LineUnits(
        ordered=1_000, cancelled=0, dispatched=1_000, delivered=1_000, refunded=RefundedUnits(unsent=1_000)
    )
    assert line.left == RefundedUnits(delivered=1_000)
    assert choose_refunded_units(2_000, reason=RefundReason.OTHER, line=line) == RefundedUnits(
        unsent=1_000, delivered=1_000
    )
