"""
The statements that keep the projections of sales, each from orders, payments and refunds alone.

What an order adds to a day is compared with what was counted of it (`OrderDay`), and the difference goes into all sums: counting
an order twice, or one that has not changed, changes nothing. Callers of what writes hold `locks.lock_projections`.
"""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Final
from uuid import UUID

import orjson

from apps.backoffice.rules import Move, days_of
from apps.backoffice.states import Period
from apps.core.prepared import execute, fetch_rows, to_array

_FIRST_ID: Final = UUID(int=0)
_COUNTS: Final = ("placed", "confirmed", "cancelled", "expired", "sold")
_AMOUNTS: Final = ("sales_amount", "captured_amount", "refunded_amount")
_FIGURES: Final = (*_COUNTS, *_AMOUNTS)
#: What a day has of all its orders.
_DAILY: Final = tuple(name for name in _FIGURES if name != "sold")


def _day(instant: str) -> str:
    return f"({instant} AT TIME ZONE 'Asia/Kolkata')::date"


def _list(template: str, names: Iterable[str] = _FIGURES) -> str:
    return ", ".join(template.format(name) for name in names)


# What the orders of a part `chosen` add to each day.
CONTRIBUTIONS: Final = f"""
    facts AS (
        SELECT id AS order_id, customer_id, {_day("placed_at")} AS day,
            1 AS placed, 0 AS confirmed, 0 AS cancelled, 0 AS expired, 0 AS sold,
            0::bigint AS sales_amount, 0::bigint AS captured_amount, 0::bigint AS refunded_amount
        FROM chosen
        UNION ALL
        SELECT id, customer_id, {_day("confirmed_at")}, 0, 1, 0, 0, (status <> 'cancelled')::int, total_amount, 0, 0
        FROM chosen WHERE confirmed_at IS NOT NULL
        UNION ALL
        SELECT id, customer_id, {_day("cancelled_at")}, 0, 0, 1, 0, 0, 0, 0, 0 FROM chosen WHERE cancelled_at IS NOT NULL
        UNION ALL
        SELECT id, customer_id, {_day("expired_at")}, 0, 0, 0, 1, 0, 0, 0, 0 FROM chosen WHERE expired_at IS NOT NULL
        UNION ALL
        SELECT chosen.id, chosen.customer_id, {_day("attempt.captured_at")}, 0, 0, 0, 0, 0, 0, attempt.amount, 0
        FROM chosen
        JOIN payments_payment payment ON payment.order_id = chosen.id
        JOIN payments_paymentattempt attempt ON attempt.payment_id = payment.id AND attempt.status = 'captured'
        UNION ALL
        SELECT chosen.id, chosen.customer_id, {_day("refund.processed_at")}, 0, 0, 0, 0, 0, 0, 0, refund.amount
        FROM chosen JOIN payments_refund refund ON refund.order_id = chosen.id AND refund.status = 'processed'
    ), contributions AS (
        SELECT order_id, day, customer_id, {_list("sum({0})::bigint AS {0}")} FROM facts GROUP BY order_id, day, customer_id
    )
"""  # noqa: S608 - only constants of the code are interpolated

_IS_DUE: Final = """
    SELECT day, EXISTS (SELECT FROM core_pendingprojection) FROM backoffice_projectionstate
"""
_ADD_STATE: Final = "INSERT INTO backoffice_projectionstate (id) VALUES (1) ON CONFLICT DO NOTHING"
_SET_DAY: Final = "UPDATE backoffice_projectionstate SET day = $1::date"
_TAKE_PENDING: Final = """
    DELETE FROM core_pendingprojection WHERE id IN (SELECT id FROM core_pendingprojection ORDER BY id LIMIT $1::int)
    RETURNING root_id
"""
_COUNT: Final = f"""
    WITH chosen AS MATERIALIZED (SELECT * FROM orders_order WHERE id = ANY($1::uuid[])),
    {CONTRIBUTIONS}, counted AS (
        SELECT * FROM backoffice_orderday WHERE order_id = ANY($1::uuid[])
    ), changed AS MATERIALIZED (
        SELECT order_id, day, coalesce(fresh.customer_id, counted.customer_id) AS customer_id,
            fresh.order_id IS NULL AS is_gone, {_list("coalesce(fresh.{0}, 0) AS {0}")},
            {_list("coalesce(fresh.{0}, 0) - coalesce(counted.{0}, 0) AS added_{0}")}
        FROM contributions fresh FULL JOIN counted USING (order_id, day)
        WHERE ({_list("fresh.{0}")}) IS DISTINCT FROM ({_list("counted.{0}::bigint")})
    ), removed AS (
        DELETE FROM backoffice_orderday it USING changed
        WHERE changed.is_gone AND it.order_id = changed.order_id AND it.day = changed.day
    ), written AS (
        INSERT INTO backoffice_orderday AS it (order_id, day, customer_id, {_list("{0}")})
        SELECT order_id, day, customer_id, {_list("{0}")} FROM changed WHERE NOT is_gone
        ON CONFLICT (order_id, day) DO UPDATE SET {_list("{0} = excluded.{0}")}
    ), by_day AS (
        INSERT INTO backoffice_dailysales AS it (day, {_list("{0}", _DAILY)})
        SELECT day, {_list("sum(added_{0})", _DAILY)} FROM changed GROUP BY day
        ON CONFLICT (day) DO UPDATE SET {_list("{0} = it.{0} + excluded.{0}", _DAILY)}
    ), sold_variants AS MATERIALIZED (
        SELECT changed.day, line.variant_id, sum(changed.added_sold * line.quantity_milli) AS quantity_milli,
            sum(changed.added_sold * line.total_amount) AS sales_amount
        FROM changed JOIN orders_orderline line ON line.order_id = changed.order_id
        WHERE changed.added_sold <> 0 GROUP BY changed.day, line.variant_id
    ), by_variant AS (
        INSERT INTO backoffice_dailyvariantsales AS it (day, variant_id, quantity_milli, sales_amount)
        SELECT day, variant_id, quantity_milli, sales_amount FROM sold_variants
        ON CONFLICT (day, variant_id) DO UPDATE SET quantity_milli = it.quantity_milli + excluded.quantity_milli,
            sales_amount = it.sales_amount + excluded.sales_amount
    ), periods AS (
        SELECT * FROM json_to_recordset($2::json) AS period (name text, first date, last date)
    ), best_sellers AS (
        INSERT INTO backoffice_bestseller AS it (period, variant_id, quantity_milli, sales_amount)
        SELECT periods.name, sold.variant_id, sum(sold.quantity_milli), sum(sold.sales_amount)
        FROM sold_variants sold JOIN periods ON sold.day BETWEEN periods.first AND periods.last
        GROUP BY periods.name, sold.variant_id
        ON CONFLICT (period, variant_id) DO UPDATE SET quantity_milli = it.quantity_milli + excluded.quantity_milli,
            sales_amount = it.sales_amount + excluded.sales_amount
    ), top_customers AS (
        INSERT INTO backoffice_topcustomer AS it (period, customer_id, orders, sales_amount)
        SELECT periods.name, changed.customer_id, sum(changed.added_sold),
            sum(changed.sold * changed.sales_amount
                - (changed.sold - changed.added_sold) * (changed.sales_amount - changed.added_sales_amount))
        FROM changed JOIN periods ON changed.day BETWEEN periods.first AND periods.last
        WHERE (changed.added_sold, changed.added_sales_amount) <> (0, 0) GROUP BY periods.name, changed.customer_id
        ON CONFLICT (period, customer_id) DO UPDATE SET orders = it.orders + excluded.orders,
            sales_amount = it.sales_amount + excluded.sales_amount
    )
    SELECT count(*), coalesce(array_agg(DISTINCT day) FILTER (WHERE added_sold < 0 OR is_gone), ARRAY[]::date[]) FROM changed
"""  # noqa: S608 - only constants of the code are interpolated

_MOVES: Final = """
    moves AS (
        SELECT * FROM json_to_recordset($1::json) AS move (period text, first date, last date, sign int)
    )
"""
_MOVE_VARIANTS: Final = f"""
    WITH {_MOVES}
    INSERT INTO backoffice_bestseller AS it (period, variant_id, quantity_milli, sales_amount)
    SELECT moves.period, sold.variant_id, sum(moves.sign * sold.quantity_milli), sum(moves.sign * sold.sales_amount)
    FROM moves JOIN backoffice_dailyvariantsales sold ON sold.day BETWEEN moves.first AND moves.last
    GROUP BY moves.period, sold.variant_id
    ON CONFLICT (period, variant_id) DO UPDATE SET quantity_milli = it.quantity_milli + excluded.quantity_milli,
        sales_amount = it.sales_amount + excluded.sales_amount
"""  # noqa: S608 - only constants of the code are interpolated
_MOVE_CUSTOMERS: Final = f"""
    WITH {_MOVES}
    INSERT INTO backoffice_topcustomer AS it (period, customer_id, orders, sales_amount)
    SELECT moves.period, sold.customer_id, sum(moves.sign), sum(moves.sign * sold.sales_amount)
    FROM moves JOIN backoffice_orderday sold ON sold.day BETWEEN moves.first AND moves.last AND sold.sold = 1
    GROUP BY moves.period, sold.customer_id
    ON CONFLICT (period, customer_id) DO UPDATE SET orders = it.orders + excluded.orders,
        sales_amount = it.sales_amount + excluded.sales_amount
"""  # noqa: S608 - only constants of the code are interpolated

# Each is found by an index that begins with its period or day: without a row to delete they read next to nothing.
_DELETE_EMPTY_PLACES: Final = (
    """
    DELETE FROM backoffice_bestseller
    WHERE period = ANY($1::text[]) AND quantity_milli = 0 AND sales_amount = 0
    """,
    "DELETE FROM backoffice_topcustomer WHERE period = ANY($1::text[]) AND sales_amount = 0 AND orders = 0",
)
_DELETE_EMPTY_DAYS: Final = (
    f"""
    DELETE FROM backoffice_dailysales
    WHERE day = ANY($1::date[]) AND ({_list("{0}", _DAILY)}) = ({_list("0", _DAILY)})
    """,  # noqa: S608 - only constants of the code are interpolated
    """
    DELETE FROM backoffice_dailyvariantsales
    WHERE day = ANY($1::date[]) AND quantity_milli = 0 AND sales_amount = 0
    """,
)

_TABLES: Final = ("orderday", "dailysales", "dailyvariantsales", "bestseller", "topcustomer")
_ADD_ORDERS: Final = f"""
    WITH chosen AS MATERIALIZED (SELECT * FROM orders_order WHERE id > $1::uuid ORDER BY id LIMIT $2::int),
    {CONTRIBUTIONS}, added AS (
        INSERT INTO backoffice_orderday (order_id, day, customer_id, {_list("{0}")})
        SELECT order_id, day, customer_id, {_list("{0}")} FROM contributions
    )
    SELECT count(*), (SELECT id FROM chosen ORDER BY id DESC LIMIT 1) FROM chosen
"""  # noqa: S608 - only constants of the code are interpolated
_ADD_DAYS: Final = f"""
    INSERT INTO backoffice_dailysales (day, {_list("{0}", _DAILY)})
    SELECT day, {_list("sum({0})", _DAILY)} FROM backoffice_orderday GROUP BY day
"""  # noqa: S608 - only constants of the code are interpolated
_ADD_VARIANTS: Final = """
    INSERT INTO backoffice_dailyvariantsales (day, variant_id, quantity_milli, sales_amount)
    SELECT sold.day, line.variant_id, sum(line.quantity_milli), sum(line.total_amount)
    FROM backoffice_orderday sold JOIN orders_orderline line ON line.order_id = sold.order_id
    WHERE sold.sold = 1 GROUP BY sold.day, line.variant_id
"""


_OLDEST: Final = """
    SELECT least(
        (SELECT min(created_at) FROM core_pendingprojection),
        (SELECT min(created_at) FROM core_outbox)
    )
"""


def find_due() -> tuple[date | None, bool] | None:
    """Return the day with which the periods end and whether orders are pending, or None if nothing was ever built."""
    return next(iter(fetch_rows(_IS_DUE, [])), None)


def add_state() -> None:
    """Add the row that writers lock, unless it is there."""
    execute(_ADD_STATE, [])


def set_day(day: date) -> None:
    """Set the day with which the periods end."""
    execute(_SET_DAY, [day.isoformat()])


def take_pending(limit: int) -> list[UUID]:
    """Delete the oldest pending orders, at most `limit`, and return the ids of their orders, each once."""
    return sorted({order_id for (order_id,) in fetch_rows(_TAKE_PENDING, [str(limit)])})


def count_orders(order_ids: Iterable[UUID], *, today: date) -> int:
    """Bring all projections up to date with some orders, and return the number of days of orders that had changed."""
    ends = [(period, days_of(period, today)) for period in Period]
    periods = [{"name": period, "first": days.first, "last": days.last} for period, days in ends]
    ((changed, days_with_less),) = fetch_rows(_COUNT, [to_array(order_ids), orjson.dumps(periods).decode()])
    if days_with_less:
        _delete_empty_places()
        for statement in _DELETE_EMPTY_DAYS:
            execute(statement, [to_array(days_with_less)])
    return int(changed)


def move_periods(moves: Iterable[Move]) -> None:
    """Add to the rankings what their periods gain, and subtract what they lose."""
    rows = [
        {"period": move.period, "first": move.days.first, "last": move.days.last, "sign": move.sign} for move in moves
    ]
    for statement in (_MOVE_VARIANTS, _MOVE_CUSTOMERS):
        execute(statement, [orjson.dumps(rows).decode()])
    _delete_empty_places()


def _delete_empty_places() -> None:
    for statement in _DELETE_EMPTY_PLACES:
        execute(statement, [to_array(Period)])


def delete_all() -> None:
    """Delete all rows of the projections."""
    for table in _TABLES:
        execute(f"DELETE FROM backoffice_{table}", [])  # noqa: S608 - our own names


def add_orders(*, after: UUID = _FIRST_ID, limit: int) -> tuple[int, UUID | None]:
    """Count orders of which nothing is counted, the next by id, and return how many there were and the last one's id."""
    ((count, last),) = fetch_rows(_ADD_ORDERS, [str(after), str(limit)])
    return int(count), last


def add_sums() -> None:
    """Add the sums of all days of all orders."""
    for statement in (_ADD_DAYS, _ADD_VARIANTS):
        execute(statement, [])


def find_oldest_uncounted() -> datetime | None:
    """Return the instant of the oldest event that the projections may lack, or None if they lack none."""
    return fetch_rows(_OLDEST, [])[0][0]  # type: ignore[no-any-return]
