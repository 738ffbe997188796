"""SQL for the hot path, and for sets of ids that the ORM would write into a statement one by one."""

from collections.abc import Collection
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from apps.core.event_sql import to_json
from apps.core.prepared import fetch_rows
from apps.core.rows import RelatedRows, RowReader, find_row, find_rows
from apps.payments.models import Payment, PaymentAttempt, PaymentDowntime
from apps.payments.rules import MAX_CURRENT_DOWNTIMES
from apps.payments.states import (
    LIVE,
    UNDECIDED,
    AttemptStatus,
    DisputeStatus,
    DowntimeStatus,
    RefundStatus,
    ReviewReason,
)


class MoneyOfOrder(NamedTuple):
    """
    What payments, refunds and disputes of an order amount to, in paise, and its live payment.

    `has_other_amount` says that an attempt is of another amount than was requested, or was accepted at one: then `refunded` lacks what
    was never paid, and somebody else has to say how much is under review.
    """

    paid: int
    refunded: int
    disputed: int
    lost: int
    has_other_amount: bool
    live_until: datetime | None
    live_status: str | None


def _listed(statuses: Any) -> str:
    return ", ".join(f"'{status}'" for status in sorted(statuses))


# Each sum is read by the key of the order or of one of its payments; the attempts of an order are read once.
_SUM_MONEY = f"""
    WITH attempt AS MATERIALIZED (
        SELECT made.status, made.currency, made.amount, made.accepted_amount, made.review_reason
        FROM payments_payment AS payment JOIN payments_paymentattempt AS made ON made.payment_id = payment.id
        WHERE payment.order_id = $1::uuid
    ), counted AS (
        SELECT sum(coalesce(accepted_amount, amount)) FILTER (
                   WHERE status = '{AttemptStatus.CAPTURED}' AND currency = $2 AND review_reason <> '{ReviewReason.AMOUNT_MISMATCH}'
               ) AS paid,
               bool_or(review_reason = '{ReviewReason.AMOUNT_MISMATCH}' OR accepted_amount > amount) AS has_other_amount
        FROM attempt
    ), refund AS (
        SELECT sum(refund.amount) AS refunded FROM payments_refund AS refund
        JOIN payments_paymentattempt AS made ON made.id = refund.attempt_id
        WHERE refund.order_id = $1::uuid AND refund.status = '{RefundStatus.PROCESSED}' AND refund.currency = $2
          AND made.review_reason <> '{ReviewReason.AMOUNT_MISMATCH}'
    ), dispute AS (
        SELECT sum(dispute.amount) FILTER (WHERE dispute.status IN ({_listed(UNDECIDED)})) AS disputed,
               sum(dispute.amount_deducted) FILTER (
                   WHERE dispute.status = '{DisputeStatus.LOST}' AND dispute.currency = $2
                     AND made.review_reason <> '{ReviewReason.AMOUNT_MISMATCH}'
               ) AS lost
        FROM payments_dispute AS dispute JOIN payments_paymentattempt AS made ON made.id = dispute.attempt_id
        WHERE dispute.order_id = $1::uuid
    )
    SELECT coalesce(paid, 0)::bigint, coalesce(refunded, 0)::bigint, coalesce(disputed, 0)::bigint, coalesce(lost, 0)::bigint,
           coalesce(has_other_amount, false), live.live_until, live.status
    FROM counted, refund, dispute
    LEFT JOIN (
        SELECT live_until, status FROM payments_payment WHERE order_id = $1::uuid AND status IN ({_listed(LIVE)}) LIMIT 1
    ) AS live ON true
"""  # noqa: S608 - statuses


def sum_money_of_order(*, order_id: UUID, currency: str) -> MoneyOfOrder:
    """Return what the payments, refunds and disputes of an order amount to; one statement, by keys of the order."""
    [row] = fetch_rows(_SUM_MONEY, [str(order_id), currency])
    return MoneyOfOrder(*row)


_CAPTURED = f"""
    JOIN payments_payment AS payment ON payment.id = it.payment_id
    WHERE payment.order_id = $1 AND it.status = '{AttemptStatus.CAPTURED}' AND it.review_reason = ''
    ORDER BY it.captured_at, it.id LIMIT 1
"""


def find_captured_attempt(order_id: UUID) -> PaymentAttempt | None:
    """Return the attempt of an order that was captured first and needs no review, or None."""
    return find_row(PaymentAttempt, _CAPTURED, [str(order_id)])


_SUM_CAPTURED = f"""
    SELECT coalesce(sum(coalesce(attempt.accepted_amount, attempt.amount)), 0)::bigint
    FROM payments_payment AS payment JOIN payments_paymentattempt AS attempt ON attempt.payment_id = payment.id
    WHERE payment.order_id = $1 AND attempt.status = '{AttemptStatus.CAPTURED}' AND attempt.currency = $2
      AND attempt.review_reason <> '{ReviewReason.AMOUNT_MISMATCH}'
"""  # noqa: S608 - statuses


def sum_captured(order_id: UUID, *, currency: str) -> int:
    """Return the captured money (paise) of an order in attempts that are not, or no longer, of another amount than was requested."""
    [(total,)] = fetch_rows(_SUM_CAPTURED, [str(order_id), currency])
    return int(total)


_KNOWN_AMOUNTS = """
    WITH wanted AS MATERIALIZED (
        SELECT id FROM json_array_elements_text($2::json) AS it (id)
    )
    SELECT attempt.gateway_payment_id, attempt.amount, coalesce(attempt.captured_at, attempt.created_at)
    FROM wanted JOIN payments_paymentattempt AS attempt ON attempt.gateway_payment_id = wanted.id
    WHERE attempt.gateway = $1
    UNION ALL
    SELECT refund.gateway_refund_id, refund.amount, refund.created_at
    FROM wanted JOIN payments_refund AS refund ON refund.gateway_refund_id = wanted.id
    JOIN payments_paymentattempt AS attempt ON attempt.id = refund.attempt_id
    WHERE attempt.gateway = $1
"""


def list_known_amounts(*, gateway: str, gateway_ids: Collection[str]) -> list[tuple[str, int, datetime]]:
    """Return amount (paise) and time of the payments and refunds with these ids at a gateway, by that id."""
    rows = fetch_rows(_KNOWN_AMOUNTS, [gateway, to_json(list(gateway_ids))])
    return [(gateway_id, amount, at) for gateway_id, amount, at in rows]


@cache
def _payment_rows() -> RowReader:
    return RowReader(Payment, without=("payer_ip", "payer_user_agent"), extra=("attempts",))


@cache
def _attempt_rows() -> RowReader:
    return RowReader(PaymentAttempt)


@cache
def _payment() -> str:
    return f"""
    SELECT {_payment_rows().columns("payment")}, {_attempt_rows().columns("made")}
    FROM payments_payment AS payment LEFT JOIN payments_paymentattempt AS made ON made.payment_id = payment.id
    WHERE payment.id = $1 AND ($2::uuid IS NULL OR payment.customer_id = $2::uuid)
    ORDER BY made.created_at, made.id"""  # noqa: S608 - names of columns


def find_shown_payment(*, payment_id: UUID, customer_id: UUID | None) -> Any:
    """Return a payment with its attempts, of any customer or of one, or None; one statement, by keys."""
    rows = fetch_rows(_payment(), [str(payment_id), None if customer_id is None else str(customer_id)])
    if not rows:
        return None
    width = _payment_rows().width
    # A payment without attempts has one row, in which all of the attempt is null.
    made = [_attempt_rows().read(row[width:]) for row in rows if row[width] is not None]
    return _payment_rows().read(rows[0][:width], RelatedRows(made))


_CURRENT_DOWNTIMES = f"""
    WHERE it.status <> '{DowntimeStatus.RESOLVED}' AND (it.ends_at IS NULL OR it.ends_at > $1) AND it.begins_at <= $1
    ORDER BY it.begins_at DESC, it.id DESC LIMIT {MAX_CURRENT_DOWNTIMES}
"""


def list_current_downtimes(*, now: datetime) -> list[PaymentDowntime]:
    """Return the downtimes that are under way, the latest to begin first."""
    return find_rows(PaymentDowntime, _CURRENT_DOWNTIMES, [now.isoformat()])
