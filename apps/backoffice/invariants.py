"""Invariants across all apps."""

from datetime import datetime
from typing import Any

from apps.backoffice.rules import days_of
from apps.backoffice.sql.money_states import ALL_POSITIONS
from apps.backoffice.sql.projections import CONTRIBUTIONS
from apps.backoffice.states import Period
from apps.core.audit import Invariant, Reads
from apps.core.event_histories import event_histories
from apps.fulfilment.states import ShipmentStatus
from apps.orders.states import OrderStatus
from apps.payments.states import AttemptStatus, DisputeStatus, PaymentStatus, RefundStatus

#: The statuses of what has events about them, by kind.
_STATUSES = {
    "orders.order": OrderStatus,
    "payments.payment": PaymentStatus,
    "payments.paymentattempt": AttemptStatus,
    "payments.refund": RefundStatus,
    "payments.dispute": DisputeStatus,
    "fulfilment.shipment": ShipmentStatus,
}
_STATUS_ROWS = ", ".join(
    f"('{kind}', '{status}')" for kind, statuses in _STATUSES.items() for status in statuses.values
)

#: The figures of an order on a day, and what is counted of them for one day of all orders.
_FIGURES = "placed, confirmed, cancelled, expired, sold, sales_amount, captured_amount, refunded_amount"
_DAILY = _FIGURES.replace("sold, ", "")
_DAILY_SUMS = ", ".join(f"sum({name})::bigint AS {name}" for name in _DAILY.split(", "))


def _wrong_rankings(cursor: Any, _now: datetime) -> list[dict[str, Any]]:
    """Return the periods whose rankings do not sum to the sales of their days."""
    cursor.execute("SELECT day FROM backoffice_projectionstate WHERE day IS NOT NULL")
    built = cursor.fetchone()
    if built is None:
        return []
    found = []
    for period in Period:
        days = days_of(period, built[0])
        cursor.execute(_SUMS_OF_RANKINGS, {"period": period.value, "first": days.first, "last": days.last})
        ranked, sold = cursor.fetchall()
        if ranked[1:] != sold[1:]:
            found.append({"period": period.value, "ranked": list(ranked[1:]), "sold": list(sold[1:])})
    return found


_SUMS_OF_RANKINGS = """
    SELECT 1 AS side, (SELECT count(*) FROM backoffice_bestseller WHERE period = %(period)s),
        (SELECT coalesce(sum(quantity_milli), 0)::bigint FROM backoffice_bestseller WHERE period = %(period)s),
        (SELECT coalesce(sum(sales_amount), 0)::bigint FROM backoffice_bestseller WHERE period = %(period)s),
        count(*), coalesce(sum(orders), 0)::bigint, coalesce(sum(sales_amount), 0)::bigint
    FROM backoffice_topcustomer WHERE period = %(period)s
    UNION ALL
    SELECT 2, (SELECT count(DISTINCT variant_id) FROM backoffice_dailyvariantsales WHERE day BETWEEN %(first)s AND %(last)s),
        (SELECT coalesce(sum(quantity_milli), 0)::bigint FROM backoffice_dailyvariantsales
            WHERE day BETWEEN %(first)s AND %(last)s),
        (SELECT coalesce(sum(sales_amount), 0)::bigint FROM backoffice_dailyvariantsales
            WHERE day BETWEEN %(first)s AND %(last)s),
        count(DISTINCT customer_id), coalesce(sum(sold), 0)::bigint, coalesce(sum(sales_amount), 0)::bigint
    FROM backoffice_orderday WHERE sold = 1 AND day BETWEEN %(first)s AND %(last)s
    ORDER BY side
"""


def _positions() -> str:
    return f"positions AS MATERIALIZED ({ALL_POSITIONS} SELECT * FROM positions)"  # noqa: S608 - only constants of the code are interpolated


INVARIANTS: tuple[Invariant, ...] = (
    Invariant(
        id="INV-22b",
        name="accounts_have_their_kind",
        statement="Each account is one that Bahi knows, and of its kind: an asset, a liability, an income or an expense.",
        sql="""
            SELECT account.code, account.kind, own.kind AS expected FROM ledger_account account
            LEFT JOIN (VALUES
                ('bank', 'asset'), ('gateway_receivable', 'asset'), ('settlement_in_transit', 'asset'), ('input_gst', 'asset'),
                ('disputes', 'asset'), ('other_bank_movements', 'asset'), ('suspense', 'asset'),
                ('output_cgst', 'liability'), ('output_sgst', 'liability'), ('output_utgst', 'liability'), ('output_igst', 'liability'),
                ('customer_advances', 'liability'), ('refunds_payable', 'liability'), ('transfers_payable', 'liability'),
                ('sales', 'income'), ('payer_fees', 'income'), ('round_off', 'income'),
                ('gateway_fees', 'expense'), ('bank_charges', 'expense'), ('dispute_losses', 'expense'), ('payment_differences', 'expense')
            ) own (name, kind) ON own.name = split_part(account.code, ':', 1)
            WHERE account.kind IS DISTINCT FROM own.kind
        """,
        reads=Reads.LITTLE,
    ),
    Invariant(
        id="INV-37c",
        name="events_name_the_status_they_record",
        statement="An event whose name ends in a status, such as `orders.order.cancelled`, records no other status.",
        sql=f"""
            SELECT e.subject_type, e.subject_id, e.version, e.action, e.status FROM recorded e
            JOIN (VALUES {_STATUS_ROWS}) named (kind, status) ON named.kind = e.subject_type AND named.status = e.action
            WHERE e.status <> named.status
        """,  # noqa: S608 - only constants of the code are interpolated
        reads=Reads.ONE_ROW,
        reading=event_histories,
    ),
    Invariant(
        id="INV-25e",
        name="postings_have_a_source",
        statement="Every posting is of a fact that exists, of a kind that such facts have.",
        sql="""
            SELECT t.id, t.source_type, t.source_id, t.kind FROM ledger_ledgertransaction t
            WHERE NOT CASE t.source_type
                WHEN 'payments.paymentattempt' THEN t.kind IN ('capture', 'payment_difference')
                     AND EXISTS (SELECT FROM payments_paymentattempt f WHERE f.id = t.source_id AND f.status = 'captured')
                WHEN 'payments.refund' THEN split_part(t.kind, ':', 1) IN (
                         'refund_due', 'refund_reinstated', 'refund_reversal', 'refund', 'refund_transferred', 'late_credit',
                         'difference_reversal')
                     AND EXISTS (SELECT FROM payments_refund f WHERE f.id = t.source_id)
                WHEN 'settlements.settlement' THEN split_part(t.kind, ':', 1) IN (
                         'settlement', 'transfer_failed', 'transfer_retried')
                     AND EXISTS (SELECT FROM settlements_settlement f WHERE f.id = t.source_id)
                WHEN 'settlements.bankline' THEN t.kind = 'bank_line'
                     AND EXISTS (SELECT FROM settlements_bankline f WHERE f.id = t.source_id)
                WHEN 'ledger.reconciliationexception' THEN t.kind IN ('difference', 'resolution')
                     AND EXISTS (SELECT FROM ledger_reconciliationexception f WHERE f.id = t.source_id)
                WHEN 'payments.dispute' THEN split_part(t.kind, ':', 1) IN ('dispute_taken', 'dispute_returned', 'dispute_lost')
                     AND EXISTS (SELECT FROM payments_dispute f WHERE f.id = t.source_id)
                WHEN 'invoicing.invoice' THEN t.kind IN ('invoice', 'credit_note')
                ELSE false END
        """,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-26p",
        name="captured_money_is_in_its_states",
        statement="The captured amount of each payment is, to the paisa, the sum of its money in all states: captured, settled, banked,"
        " deducted, refunded, disputed and in suspense.",
        sql="""
            WITH whole AS (SELECT attempt_id, sum(amount) AS amount FROM positions GROUP BY attempt_id)
            SELECT coalesce(a.id, w.attempt_id) AS attempt, a.amount AS captured, w.amount AS in_states
            FROM (SELECT id, amount FROM payments_paymentattempt WHERE status = 'captured') a
            FULL JOIN whole w ON w.attempt_id = a.id
            WHERE coalesce(a.amount, 0) <> coalesce(w.amount, 0)
        """,
        reads=Reads.ONE_ORDER,
        reading=_positions,
    ),
    Invariant(
        id="INV-26q",
        name="states_of_money_match_the_books",
        statement="The money in each of three states is a balance of the books: captured what gateways owe, settled what is in transit,"
        " and disputed what disputes took and lost.",
        sql="""
            WITH expected AS (
                SELECT state, sum(amount) AS amount FROM positions WHERE state IN ('captured', 'settled', 'disputed')
                GROUP BY state
            ), booked AS (
                SELECT CASE WHEN account_id LIKE 'gateway_receivable:%%' THEN 'captured'
                        WHEN account_id = 'settlement_in_transit' THEN 'settled' ELSE 'disputed' END AS state,
                    sum(amount) AS amount FROM ledger_ledgerentry
                WHERE account_id LIKE 'gateway_receivable:%%' OR account_id IN ('settlement_in_transit', 'disputes', 'dispute_losses')
                GROUP BY 1
            )
            SELECT state, expected.amount AS expected, booked.amount AS booked FROM expected FULL JOIN booked USING (state)
            WHERE coalesce(expected.amount, 0) <> coalesce(booked.amount, 0)
        """,
        reading=_positions,
    ),
    Invariant(
        id="INV-69",
        name="orders_are_counted",
        statement="What is counted of each order on each day is what happened to it, as soon as none of its events is pending.",
        sql=f"""
            WITH chosen AS MATERIALIZED (
                SELECT o.* FROM orders_order o
                WHERE EXISTS (SELECT FROM backoffice_projectionstate WHERE day IS NOT NULL)
                  AND o.id NOT IN (SELECT root_id FROM core_pendingprojection)
                  AND o.id NOT IN (
                      SELECT e.root_id FROM core_outbox x JOIN core_event e ON e.id = x.event_id WHERE e.root_id IS NOT NULL
                  )
            ), {CONTRIBUTIONS}, counted AS (
                SELECT order_id, day, customer_id, {_FIGURES} FROM backoffice_orderday WHERE order_id IN (SELECT id FROM chosen)
            )
            SELECT 'not counted' AS fault, missing.* FROM (
                SELECT order_id, day, customer_id, {_FIGURES} FROM contributions EXCEPT SELECT * FROM counted
            ) missing
            UNION ALL
            SELECT 'counted wrongly', wrong.* FROM (
                SELECT * FROM counted EXCEPT SELECT order_id, day, customer_id, {_FIGURES} FROM contributions
            ) wrong
        """,  # noqa: S608 - only constants of the code are interpolated
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-69b",
        name="daily_sales_sum_up_orders",
        statement="The sales of each day are the sums of what is counted of its orders, and those of its variants of the lines sold.",
        sql=f"""
            SELECT coalesce(stored.day, summed.day) AS day, to_jsonb(stored) AS stored, to_jsonb(summed) AS summed
            FROM (SELECT day, {_DAILY} FROM backoffice_dailysales) stored
            FULL JOIN (SELECT day, {_DAILY_SUMS} FROM backoffice_orderday GROUP BY day) summed USING (day)
            WHERE to_jsonb(stored) IS DISTINCT FROM to_jsonb(summed)
            UNION ALL
            SELECT coalesce(stored.day, summed.day), to_jsonb(stored), to_jsonb(summed)
            FROM (
                SELECT day, sum(quantity_milli)::bigint AS quantity_milli, sum(sales_amount)::bigint AS sales_amount
                FROM backoffice_dailyvariantsales GROUP BY day
            ) stored
            FULL JOIN (
                SELECT it.day, sum(line.quantity_milli)::bigint AS quantity_milli, sum(line.total_amount)::bigint AS sales_amount
                FROM backoffice_orderday it JOIN orders_orderline line ON line.order_id = it.order_id
                WHERE it.sold = 1 GROUP BY it.day
            ) summed USING (day)
            WHERE to_jsonb(stored) IS DISTINCT FROM to_jsonb(summed)
        """,  # noqa: S608 - only constants of the code are interpolated
    ),
    Invariant(
        id="INV-69c",
        name="rankings_sum_up_days",
        statement="The best-sellers and top customers of each period sum to the sales of its days, and name as many of them.",
        sql=_wrong_rankings,
    ),
)
