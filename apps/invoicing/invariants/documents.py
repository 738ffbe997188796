"""What must always hold of documents: their numbers, dates, tax, bytes and copies."""

from datetime import datetime
from typing import Any

from django.conf import settings

from apps.core.audit import Invariant, Reads
from apps.invoicing import rules
from apps.invoicing.gateways import pdf_files
from apps.tax.rules import STATES, GstinRefusal, check_gstin

#: About how many files one audit reads. The minute chooses the slice of files, so that each file is read regularly.
_MAX_FILES_PER_AUDIT = 500

_UT_STATES = ", ".join(f"'{code}'" for code, state in sorted(STATES.items()) if state.levies_utgst)
AMOUNTS = ("taxable_amount", "cgst_amount", "sgst_amount", "utgst_amount", "igst_amount")

_GAPLESS = """
    SELECT series.id AS series, series.prefix, series.financial_year, series.last_number,
           count(invoice.id) AS documents, min(invoice.sequence) AS lowest, max(invoice.sequence) AS highest
    FROM invoicing_numberseries series LEFT JOIN invoicing_invoice invoice ON invoice.series_id = series.id
    GROUP BY series.id
    HAVING count(invoice.id) <> series.last_number
        OR count(DISTINCT invoice.sequence) <> count(invoice.id)
        OR (count(invoice.id) > 0 AND (min(invoice.sequence) <> 1 OR max(invoice.sequence) <> series.last_number))
"""

_NUMBER_FORM = f"""
    SELECT invoice.number, invoice.sequence, series.prefix, invoice.financial_year
    FROM invoicing_invoice invoice JOIN invoicing_numberseries series ON series.id = invoice.series_id
    WHERE invoice.number !~ '^{rules.NUMBER_REGEX.pattern}$'
       OR invoice.number <> series.prefix || substr(invoice.financial_year, 3, 2) || lpad(invoice.sequence::text, 7, '0')
    UNION ALL
    SELECT number, min(sequence), count(*)::text || ' documents', financial_year
    FROM invoicing_invoice GROUP BY registration_id, financial_year, number HAVING count(*) > 1
"""  # noqa: S608 - our own names

_YEAR = """
    SELECT invoice.number, invoice.issued_at, invoice.invoice_date, invoice.financial_year, series.financial_year AS series_year
    FROM invoicing_invoice invoice
    JOIN invoicing_numberseries series ON series.id = invoice.series_id
    CROSS JOIN LATERAL (SELECT (invoice.issued_at AT TIME ZONE 'Asia/Kolkata')::date AS day) india
    CROSS JOIN LATERAL (SELECT extract(year FROM india.day - interval '3 months')::int AS year) april
    WHERE invoice.invoice_date <> india.day
       OR invoice.financial_year <> april.year::text || '-' || lpad(((april.year + 1) %% 100)::text, 2, '0')
       OR series.financial_year <> invoice.financial_year
       OR series.registration_id <> invoice.registration_id
       OR series.document_type <> invoice.type
"""

_ORDER_OF_ISSUE = """
    SELECT number, issued_at, previous_number, previous_at FROM (
        SELECT number, issued_at, lag(number) OVER w AS previous_number, lag(issued_at) OVER w AS previous_at
        FROM invoicing_invoice WINDOW w AS (PARTITION BY series_id ORDER BY sequence)
    ) numbered
    WHERE issued_at < previous_at
"""

_ONE_PER_ORDER = """
    SELECT orders.number, orders.status, orders.confirmed_at, count(invoice.id) AS invoices
    FROM orders_order orders
    LEFT JOIN invoicing_invoice invoice
        ON invoice.order_id = orders.id AND invoice.type <> 'credit_note' AND invoice.status <> 'cancelled'
    GROUP BY orders.id
    HAVING count(invoice.id) > 2
        OR (count(invoice.id) = 2 AND (orders.buyer_gstin = ''
            OR array_agg(invoice.type::text ORDER BY invoice.type) <> ARRAY['bill_of_supply', 'tax_invoice']))
        OR (count(invoice.id) = 0 AND orders.status IN ('confirmed', 'on_hold', 'in_fulfilment', 'completed', 'closed')
            AND orders.paid_amount >= orders.total_amount AND orders.confirmed_at < %(now)s - interval '60 seconds'
            AND (%(is_at_payment)s OR orders.fulfilment_status <> 'unfulfilled' OR orders.status IN ('completed', 'closed')))
        OR (count(invoice.id) > 0 AND orders.confirmed_at IS NULL)
"""

# Documents of before taxability was kept are not judged: their lines do not say it.
_RIGHT_TYPE = """
    SELECT invoice.number, invoice.type, invoice.buyer ->> 'gstin' AS buyer_gstin, sold.taxable, sold.untaxed
    FROM invoicing_invoice invoice
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE taxability = 'taxable') AS taxable,
               count(*) FILTER (WHERE taxability IN ('nil', 'exempt', 'non_gst')) AS untaxed,
               count(*) FILTER (WHERE taxability = '') AS unknown
        FROM invoicing_invoiceline WHERE invoice_id = invoice.id
    ) sold
    WHERE invoice.type <> 'credit_note' AND sold.unknown = 0 AND CASE invoice.type
        WHEN 'tax_invoice' THEN sold.untaxed > 0
        WHEN 'bill_of_supply' THEN sold.taxable > 0
        WHEN 'invoice_cum_bill_of_supply' THEN sold.taxable = 0 OR sold.untaxed = 0
            OR (invoice.buyer ->> 'gstin' <> '' AND invoice.buyer ->> 'gstin' !~ '^[0-9]{4}[A-Z]{3}[0-9]{5}[UO]N[0-9A-Z]$'
                AND invoice.buyer ->> 'gstin' NOT LIKE '99%%')
        ELSE true END
"""

_TAXABILITY = """
    SELECT invoice.number, line.position, line.taxability, line.tax_rate, ordered.taxability AS ordered
    FROM invoicing_invoiceline line
    JOIN invoicing_invoice invoice ON invoice.id = line.invoice_id
    LEFT JOIN orders_orderline ordered ON ordered.id = line.order_line_id
    WHERE line.taxability <> '' AND (
        line.taxability NOT IN ('taxable', 'nil', 'exempt', 'non_gst')
        OR (line.taxability = 'taxable') <> (line.tax_rate > 0)
        OR (line.taxability <> 'taxable' AND line.total_amount <> line.taxable_amount)
        OR (ordered.taxability <> '' AND ordered.taxability <> line.taxability))
"""

_LINES_ONCE = """
    SELECT orders.number, ordered.position, count(line.id) AS times
    FROM orders_order orders
    JOIN orders_orderline ordered ON ordered.order_id = orders.id
    LEFT JOIN (invoicing_invoiceline line JOIN invoicing_invoice invoice
        ON invoice.id = line.invoice_id AND invoice.type <> 'credit_note' AND invoice.status <> 'cancelled')
        ON line.order_line_id = ordered.id
    WHERE EXISTS (SELECT FROM invoicing_invoice issued
                  WHERE issued.order_id = orders.id AND issued.type <> 'credit_note' AND issued.status <> 'cancelled')
    GROUP BY orders.id, ordered.id
    HAVING count(line.id) <> 1 OR min(line.quantity_milli) <> ordered.quantity_milli OR min(line.total_amount) <> ordered.total_amount
"""

_LINE_TAX = f"""
    SELECT invoice.number, line.position, line.taxable_amount, line.tax_rate,
           line.cgst_amount, line.sgst_amount, line.utgst_amount, line.igst_amount, line.total_amount
    FROM invoicing_invoiceline line
    JOIN invoicing_invoice invoice ON invoice.id = line.invoice_id
    CROSS JOIN LATERAL (
        SELECT invoice.seller->>'state' <> invoice.place_of_supply AS inter_state,
               invoice.place_of_supply IN ({_UT_STATES}) AS with_utgst,
               NOT invoice.is_reverse_charge AS is_charged,
               round(line.taxable_amount::numeric * line.tax_rate / 10000)::bigint AS whole,
               round(line.taxable_amount::numeric * line.tax_rate / 20000)::bigint AS half,
               -- Notes split what is left of a line, and the last one takes the rest: a paisa for each of them.
               CASE WHEN invoice.type = 'credit_note'
                    THEN 1 + (SELECT count(*) FROM invoicing_invoice note WHERE note.refers_to_id = invoice.refers_to_id)
                    ELSE 0 END AS spread
    ) rule
    CROSS JOIN LATERAL (
        SELECT (is_charged AND inter_state)::int AS by_igst, (is_charged AND NOT inter_state)::int AS by_cgst,
               (is_charged AND NOT inter_state AND NOT with_utgst)::int AS by_sgst,
               (is_charged AND NOT inter_state AND with_utgst)::int AS by_utgst
    ) heads
    WHERE line.taxable_amount <> line.gross_amount - line.discount_amount + line.shipping_amount
       OR line.total_amount <> line.taxable_amount + line.cgst_amount + line.sgst_amount + line.utgst_amount + line.igst_amount
       OR abs(line.igst_amount - by_igst * whole) > by_igst * spread
       OR abs(line.cgst_amount - by_cgst * half) > by_cgst * spread
       OR abs(line.sgst_amount - by_sgst * half) > by_sgst * spread
       OR abs(line.utgst_amount - by_utgst * half) > by_utgst * spread
"""  # noqa: S608 - our own names

_TOTALS = f"""
    SELECT invoice.number, invoice.total_amount, sums.*
    FROM invoicing_invoice invoice
    CROSS JOIN LATERAL (
        SELECT count(*) AS lines, {", ".join(f"coalesce(sum({name}), 0) AS {name}_of_lines" for name in AMOUNTS)}
        FROM invoicing_invoiceline WHERE invoice_id = invoice.id
    ) sums
    WHERE sums.lines = 0
       OR {" OR ".join(f"invoice.{name} <> sums.{name}_of_lines" for name in AMOUNTS)}
       OR invoice.total_amount <> {" + ".join(f"invoice.{name}" for name in AMOUNTS)} + invoice.round_off_amount
       OR abs(invoice.round_off_amount) > 50
       OR (invoice.igst_amount <> 0 AND invoice.cgst_amount <> 0)
       OR invoice.cgst_amount <> invoice.sgst_amount + invoice.utgst_amount
"""  # noqa: S608 - our own names

_SAME_AS_ORDER = """
    SELECT min(invoice.number) AS number, orders.number AS order_number,
           sum(invoice.total_amount) AS total_amount, orders.total_amount AS order_total
    FROM invoicing_invoice invoice JOIN orders_order orders ON orders.id = invoice.order_id
    WHERE invoice.type <> 'credit_note' AND invoice.status <> 'cancelled'
    GROUP BY orders.id
    HAVING sum(invoice.total_amount) <> orders.total_amount OR sum(invoice.taxable_amount) <> orders.taxable_amount
        OR sum(invoice.round_off_amount) <> orders.round_off_amount
        OR NOT bool_and(invoice.customer_id = orders.customer_id AND invoice.place_of_supply = orders.place_of_supply
                        AND invoice.order_number = orders.number)
"""


def _fingerprint(buyer: str, shipping_address: str) -> str:
    return f"encode(sha256(convert_to({buyer}::text || chr(10) || {shipping_address}::text, 'UTF8')), 'hex')"


# The event of issue is a second, independently frozen copy of every field; of the persons it has a fingerprint. Events of before
# personal data was kept out of them have the persons themselves.
_FROZEN_FIELDS = (
    "number", "sequence", "financial_year", "invoice_date", "order_id", "customer_id", "registration_id", "type", "order_number",
    "place_of_supply", *AMOUNTS, "round_off_amount", "total_amount", "payment_reference", "refers_to_id", "refund_id",
)  # fmt: skip
_AS_ISSUED = f"""
    SELECT invoice.number, event.id AS event
    FROM invoicing_invoice invoice
    LEFT JOIN core_event event ON event.subject_type = 'invoicing.invoice' AND event.subject_id = invoice.id
        AND event.type = CASE WHEN invoice.type = 'credit_note' THEN 'invoicing.credit_note.issued' ELSE 'invoicing.invoice.issued' END
    WHERE event.id IS NULL
       OR event.changes->'seller' <> invoice.seller
       OR coalesce(event.changes->>'parties_sha256', {_fingerprint("(event.changes->'buyer')", "(event.changes->'shipping_address')")})
          IS DISTINCT FROM {_fingerprint("invoice.buyer", "invoice.shipping_address")}
       OR {" OR ".join(f"event.changes->>'{name}' IS DISTINCT FROM invoice.{name}::text" for name in _FROZEN_FIELDS)}
"""  # noqa: S608 - our own names

_MISSING_TRIGGERS = """
    SELECT wanted.tablename, wanted.guard
    FROM (VALUES ('invoicing_invoice', 'pgtrigger_issued_is_frozen%%'), ('invoicing_invoice', 'pgtrigger_not_deleted%%'),
                 ('invoicing_invoiceline', 'pgtrigger_frozen%%'), ('invoicing_invoicefile', 'pgtrigger_frozen%%'))
         AS wanted (tablename, guard)
    WHERE NOT EXISTS (
        SELECT FROM pg_trigger
        WHERE tgrelid = wanted.tablename::regclass AND tgname LIKE wanted.guard AND tgenabled <> 'D'
    )
"""


def _find_orders_with_wrong_documents(cursor: Any, now: datetime) -> list[dict[str, Any]]:
    cursor.execute(_ONE_PER_ORDER, {"now": now, "is_at_payment": settings.INVOICE_AT == "payment"})
    names = [column.name for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _find_corrupted_files(cursor: Any, now: datetime) -> list[dict[str, Any]]:
    cursor.execute(
        """
        WITH sliced AS (SELECT greatest(1, count(*) / %(most)s) AS slices FROM invoicing_invoicefile)
        SELECT file.path, file.sha256, file.size FROM invoicing_invoicefile file, sliced
        WHERE abs(hashtext(file.id::text)::bigint) %% slices = %(minute)s %% slices
        """,
        {"most": _MAX_FILES_PER_AUDIT, "minute": int(now.timestamp()) // 60},
    )
    found = []
    for path, sha256, size in cursor.fetchall():
        content = pdf_files.read(path)
        actual = None if content is None else pdf_files.sha256_of(content)
        if content is None or actual != sha256 or len(content) != size:
            found.append({"path": path, "sha256": sha256, "found": actual or "no file"})
    return found


#: What was no reason to refuse a number when documents were issued is none to doubt them now.
_ACCEPTED = (None, GstinRefusal.UNKNOWN_PAN_HOLDER, GstinRefusal.WRONG_PAN_SERIAL)


def _find_invalid_gstins(cursor: Any, now: datetime) -> list[dict[str, Any]]:
    cursor.execute(
        """
        SELECT seller->>'gstin', 'seller', min(number) FROM invoicing_invoice GROUP BY 1
        UNION ALL
        SELECT buyer->>'gstin', 'buyer', min(number) FROM invoicing_invoice WHERE buyer->>'gstin' <> '' GROUP BY 1
        """
    )
    return [
        {"number": number, "party": party, "gstin": gstin, "refusal": str(check_gstin(gstin or "").refusal)}
        for gstin, party, number in cursor.fetchall()
        if check_gstin(gstin or "").refusal not in _ACCEPTED
    ]


DOCUMENTS: tuple[Invariant, ...] = (
    Invariant(
        "INV-30",
        "invoice_series_are_gapless",
        "The numbers of a series are 1 to its last, each exactly once.",
        _GAPLESS,
    ),
    Invariant(
        "INV-30b",
        "invoice_numbers_are_well_formed",
        "A number is its series' prefix, year and place, of the form that the law allows, and once a year.",
        _NUMBER_FORM,
    ),
    Invariant(
        "INV-31",
        "invoice_dates_match_their_series",
        "The date, financial year and series are those of the time of issue in India.",
        _YEAR,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        "INV-31b",
        "invoices_were_issued_in_order",
        "The times of issue never decrease along the numbers of a series.",
        _ORDER_OF_ISSUE,
    ),
    Invariant(
        "INV-32",
        "paid_orders_are_invoiced",
        "A confirmed and paid order has its document after 60 s, or with INVOICE_AT=dispatch once goods have left; none is"
        " completed without one. A registered buyer's has at most a tax invoice and a bill of supply. An order that was never"
        " confirmed has none.",
        _find_orders_with_wrong_documents,
        grace_seconds=60,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        "INV-32b",
        "document_types_match_taxability",
        "A tax invoice has only taxable goods, a bill of supply only untaxed ones, and only an unregistered buyer gets one for both.",
        _RIGHT_TYPE,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        "INV-33",
        "invoice_line_tax_is_correct",
        "Each line's tax is its taxable value times its rate, half-up, under the heads that seller's state and place demand.",
        _LINE_TAX,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        "INV-33b",
        "invoice_totals_add_up",
        "An invoice's totals are the sums of its lines, and its heads fit together.",
        _TOTALS,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        "INV-33c",
        "invoices_match_their_orders",
        "The documents of an order have its customer and place, and their amounts sum to the order's.",
        _SAME_AS_ORDER,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        "INV-33d",
        "taxability_matches_rate",
        "A line is taxable if and only if it has a rate; nil, exempt and non-GST lines bear no tax, and each is as it was ordered.",
        _TAXABILITY,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        "INV-33e",
        "order_lines_are_invoiced_once",
        "Each line of an invoiced order is on exactly one of its documents, with its quantity and total.",
        _LINES_ONCE,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        "INV-35",
        "document_files_match_their_hashes",
        "Each stored PDF has the hash and size that were recorded.",
        _find_corrupted_files,
    ),
    Invariant(
        "INV-35b",
        "invoice_triggers_are_enabled",
        "The database refuses to change or delete what was issued.",
        _MISSING_TRIGGERS,
        reads=Reads.LITTLE,
    ),
    Invariant(
        "INV-35c",
        "invoices_are_unchanged_since_issue",
        "An invoice equals the copy in its event of issue.",
        _AS_ISSUED,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        "INV-35d",
        "gstins_on_invoices_are_valid",
        "The GSTINs on invoices have the right form and check character.",
        _find_invalid_gstins,
        reads=Reads.ONE_ORDER,
    ),
)
