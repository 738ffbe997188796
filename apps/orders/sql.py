"""SQL for the hot path, and what the ORM cannot say."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any
from uuid import UUID

import orjson
from django.db import connection

from apps.core.event_sql import RECORDED, new_values, to_json
from apps.core.events import Creation
from apps.core.prepared import fetch_all, fetch_rows, to_array
from apps.core.rows import RowReader, insert_from_json
from apps.orders.models import Order, OrderAddress, OrderLine


def next_order_sequence() -> int:
    """Return the next number of the order sequence: never given out twice, and lost if the transaction fails."""
    [row] = fetch_all("SELECT nextval('orders_number_seq') AS value")
    return int(row["value"])


@cache
def _order_rows() -> RowReader:
    return RowReader(Order, extra=("billing_address", "shipping_address", "lines"))


@cache
def _address_rows() -> RowReader:
    return RowReader(OrderAddress)


@cache
def _line_rows() -> RowReader:
    return RowReader(OrderLine)


@cache
def _order() -> str:
    return f"""
    SELECT {_order_rows().columns("it")}, {_address_rows().columns("billing")}, {_address_rows().columns("shipping")}
    FROM orders_order AS it
    JOIN orders_orderaddress AS billing ON billing.id = it.billing_address_id
    JOIN orders_orderaddress AS shipping ON shipping.id = it.shipping_address_id
    WHERE it.id = $1 AND ($2::uuid IS NULL OR it.customer_id = $2::uuid)"""  # noqa: S608 - names of columns


@cache
def _lines() -> str:
    return (
        f"SELECT {_line_rows().columns('it')} FROM orders_orderline AS it WHERE it.order_id = $1 ORDER BY it.position"  # noqa: S608
    )


def find_shown_order(*, order_id: UUID, customer_id: UUID | None) -> Any:
    """Return an order with its addresses and lines, of any customer or of one, or None; two statements, by primary keys."""
    rows = fetch_rows(_order(), [str(order_id), None if customer_id is None else str(customer_id)])
    if not rows:
        return None
    orders, addresses, lines = _order_rows(), _address_rows(), _line_rows()
    width, end = orders.width, orders.width + addresses.width
    return orders.read(
        rows[0][:width],
        addresses.read(rows[0][width:end]),
        addresses.read(rows[0][end:]),
        [lines.read(row) for row in fetch_rows(_lines(), [str(order_id)])],
    )


# Placing an order: one statement reads what it is made of, another writes all of it -------------------------------------------


@dataclass(frozen=True)
class AddressTerms:
    """An address of the customer, with the fields of their address book."""

    pk: UUID
    name: str
    company: str
    phone: str
    line1: str
    line2: str
    city: str
    state: str
    pin: str
    gstin: str


@dataclass(frozen=True)
class RegistrationTerms:
    """The registration that the shop sells under."""

    pk: UUID
    state: str


@dataclass(frozen=True)
class ItemTerms:
    """A variant that is for sale: its GST rate of the day if it has one, its stock, and its units in unpaid orders; in thousandths."""

    variant_id: UUID
    sku: str
    name: str
    title: str
    hsn: str
    uqc: str
    price: int
    price_includes_tax: bool
    tax_class: str
    tax_rate: int | None
    on_hand_milli: int
    reserved_milli: int
    unpaid_milli: int


@dataclass(frozen=True)
class Terms:
    """What an order is made of at this moment, and its number in the sequence; what is not there is None or left out."""

    sequence: int
    unpaid_orders: int
    shipping: AddressTerms | None
    billing: AddressTerms | None
    registration: RegistrationTerms | None
    items: dict[UUID, ItemTerms]


_ADDRESS = ("id", "name", "company", "phone", "line1", "line2", "city", "state", "pin", "gstin")
_READ_TERMS = f"""
    WITH unpaid AS MATERIALIZED (
        SELECT id FROM orders_order
        WHERE customer_id = $1::uuid AND num_nonnulls(confirmed_at, cancelled_at, expired_at) = 0 AND paid_amount = 0
    )
    SELECT (SELECT nextval('orders_number_seq')), (SELECT count(*) FROM unpaid),
           {", ".join(f"shipping.{name}" for name in _ADDRESS)}, {", ".join(f"billing.{name}" for name in _ADDRESS)},
           registration.id, registration.state, item.*
    FROM (VALUES (1)) AS one
    LEFT JOIN accounts_address AS shipping
           ON shipping.id = $2::uuid AND shipping.user_id = $1::uuid AND shipping.removed_at IS NULL
    LEFT JOIN accounts_address AS billing
           ON billing.id = $3::uuid AND billing.user_id = $1::uuid AND billing.removed_at IS NULL
    LEFT JOIN tax_registration AS registration ON registration.is_default AND registration.is_active
    LEFT JOIN LATERAL (
        SELECT variant.id, variant.sku, product.name, variant.title, variant.hsn, variant.uqc, variant.price,
               variant.price_includes_tax, variant.tax_class,
               (SELECT tax.rate FROM tax_taxrate AS tax WHERE tax.tax_class = variant.tax_class
                   AND tax.valid_from <= $5::date AND (tax.valid_to IS NULL OR tax.valid_to >= $5::date)),
               stock.on_hand_milli, stock.reserved_milli,
               (SELECT COALESCE(sum(line.quantity_milli), 0)::bigint FROM orders_orderline AS line
                 WHERE line.variant_id = variant.id AND line.order_id = ANY (ARRAY(SELECT id FROM unpaid)))
        FROM catalog_variant AS variant
        JOIN catalog_product AS product ON product.id = variant.product_id AND product.is_published
        CROSS JOIN LATERAL (
            SELECT COALESCE(sum(level.on_hand_milli), 0)::bigint AS on_hand_milli,
                   COALESCE(sum(level.reserved_milli), 0)::bigint AS reserved_milli
            FROM catalog_stocklevel AS level WHERE level.variant_id = variant.id
        ) AS stock
        WHERE variant.id = ANY ($4::uuid[]) AND variant.is_active
    ) AS item ON true
"""  # noqa: S608 - names of columns


def read_terms(
    *, customer_id: UUID, shipping_id: UUID, billing_id: UUID, variant_ids: Iterable[UUID], day: date
) -> Terms:
    """
    Return what an order of these variants would be made of on an Indian date, and take a number of the order sequence.

    It sees what was committed until now, also while the caller waited for a lock; it locks nothing itself. The number is lost if
    the order is refused after all.
    """
    params = [str(customer_id), str(shipping_id), str(billing_id), to_array(variant_ids), day.isoformat()]
    rows = fetch_rows(_READ_TERMS, params)
    sequence, unpaid_orders, *rest = rows[0]
    shipping, billing, registration = rest[:10], rest[10:20], rest[20:22]
    items = [ItemTerms(*row[24:]) for row in rows if row[24] is not None]
    return Terms(
        sequence=sequence,
        unpaid_orders=unpaid_orders,
        shipping=AddressTerms(*shipping) if shipping[0] is not None else None,
        billing=AddressTerms(*billing) if billing[0] is not None else None,
        registration=RegistrationTerms(*registration) if registration[0] is not None else None,
        items={item.variant_id: item for item in items},
    )


# Stock levels are locked in the order of their keys, by their primary key, and judged on what the lock returned. Every write
# hangs on the verdict: of an order that cannot have all its units nothing is written, and nothing need be rolled back. A plain
# join to `wanted`, whose size Postgres does not know, would read all stock.
_PLACE = """
    WITH reservation AS MATERIALIZED (
        SELECT * FROM json_to_recordset($11::json)
            AS it (id uuid, reference uuid, variant_id uuid, location_id uuid, quantity_milli bigint)
    ), wanted AS MATERIALIZED (
        SELECT variant_id, location_id, sum(quantity_milli)::bigint AS quantity_milli
        FROM reservation GROUP BY variant_id, location_id
    ), locked AS MATERIALIZED (
        SELECT stock.variant_id, stock.location_id, stock.free_milli, wanted.quantity_milli
        FROM (SELECT * FROM wanted ORDER BY variant_id, location_id) AS wanted
        CROSS JOIN LATERAL (
            SELECT level.variant_id, level.location_id, level.on_hand_milli - level.reserved_milli AS free_milli
            FROM catalog_stocklevel AS level
            WHERE level.variant_id = wanted.variant_id AND level.location_id = wanted.location_id
            FOR NO KEY UPDATE
        ) AS stock
    ), verdict AS MATERIALIZED (
        SELECT count(*) FILTER (WHERE free_milli >= quantity_milli) = (SELECT count(*) FROM wanted) AS holds FROM locked
    ), written AS (
        {order} RETURNING version
    ), addressed AS (
        {address}
    ), lined AS (
        {line}
    ), reserved AS (
        INSERT INTO catalog_reservation
            (id, created_at, updated_at, variant_id, location_id, reference, quantity_milli, consumed_milli, status)
        SELECT id, $10::timestamptz, $10::timestamptz, variant_id, location_id, reference, quantity_milli, 0, 'held'
        FROM reservation, verdict WHERE holds
    ), held AS (
        UPDATE catalog_stocklevel AS stock
        SET reserved_milli = stock.reserved_milli + locked.quantity_milli, updated_at = $10::timestamptz
        FROM locked
        WHERE stock.variant_id = locked.variant_id AND stock.location_id = locked.location_id
          AND stock.variant_id = ANY (ARRAY(SELECT variant_id FROM locked, verdict WHERE holds))
    ), {recorded}, queued AS (
        INSERT INTO core_outbox (event_id, created_at) SELECT id, created_at FROM recorded
    )
    SELECT holds, (SELECT json_object_agg(variant_id, free_milli)::text FROM locked WHERE NOT holds) FROM verdict
"""


@cache
def _completed(statement: str) -> str:
    return statement.format(
        order=insert_from_json(Order, 12, guard="verdict"),
        address=insert_from_json(OrderAddress, 13, guard="verdict"),
        line=insert_from_json(OrderLine, 14, guard="verdict"),
        recorded=RECORDED,
    )


def write_order(
    creation: Creation[Order],
    *,
    addresses: Sequence[OrderAddress],
    lines: Sequence[OrderLine],
    reservations: Sequence[Mapping[str, Any]],
) -> dict[UUID, int] | None:
    """
    Store an order with its event, addresses and lines, and reserve its units, all or nothing.

    :param reservations: id, `reference` (the line's id), variant, location and quantity in thousandths of each
    :returns: None if it is stored; otherwise the free units, in thousandths, of the variants that have stock here at all
    """
    params = [
        *creation.event,
        to_json(reservations),
        to_json([creation.values]),
        to_json([new_values(address) for address in addresses]),
        to_json([new_values(line) for line in lines]),
    ]
    [(holds, free)] = fetch_rows(_completed(_PLACE), params)
    if not holds:
        return {UUID(variant_id): milli for variant_id, milli in orjson.loads(free or "{}").items()}
    creation.mark_stored()
    for row in (*addresses, *lines):
        row._state.adding, row._state.db = False, connection.alias
    return None
