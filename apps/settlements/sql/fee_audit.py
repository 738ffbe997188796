"""
SQL of the fee audit, which compares each settled line with the contracted rate that applies to it, a batch of lines at a time.

A rate applies if each of its conditions holds and its period has the day (in India) on which the payment was made. Of several
the most specific one decides: network before funding before country before amount, then the later period.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db import connection

#: What a row of the rate card is about. Of rows of the same conditions, amounts and first day the last one added is in force.
KEY = "gateway, method, network, funding, is_international, amount_from, amount_to, valid_from"

#: The rates in force: corrections and withdrawals applied.
CURRENT_RATES = f"""
    SELECT * FROM (
        SELECT DISTINCT ON ({KEY}) * FROM settlements_feerate ORDER BY {KEY}, id DESC
    ) latest WHERE NOT latest.is_withdrawn
"""  # noqa: S608 - only constants of the code are interpolated

#: A condition on a check `c`: it is the latest of its line.
IS_CURRENT = """
    NOT EXISTS (SELECT 1 FROM settlements_feecheck later WHERE later.line_id = c.line_id AND later.revision > c.revision)
"""

#: A condition on an exception `x`: it claims what check `c` found. The second half lets the planner use the index.
CLAIMS_IT = "x.fingerprint = 'fee:' || c.line_id || ':' || c.revision AND x.fingerprint <> ''"

#: The fee without its GST by a rate `rate` of an amount `%s`, in paise: rounded half up, then held within the caps.
_CHARGE = "greatest(least((%s * rate.rate_basis_points + 5000) / 10000 + rate.fixed_amount, rate.max_amount), rate.min_amount)"
#: The fee of a line, and of a check `c`.
CHARGE_OF_LINE, CHARGE_OF_CHECK = _CHARGE % "line.base", _CHARGE % "c.base_amount"

#: The lines that the audit judges, as `line`, with what their fee depends on. A line that we book nothing of has its exception.
JUDGED_LINES = """
    SELECT l.id, s.gateway, l.kind, l.report_id, l.reported_fee_amount AS charged_fee, l.reported_tax_amount AS charged_tax,
        CASE l.kind WHEN 'payment' THEN coalesce(nullif(a.method, ''), l.method) ELSE l.kind END AS method,
        coalesce(a.network, '') AS network, coalesce(a.funding, '') AS funding, a.is_international,
        -- A customer who bears the fee is charged for it too: it is no part of what the fee is for.
        l.amount - CASE WHEN a.fee_bearer = 'customer' THEN l.reported_fee_amount ELSE 0 END AS base,
        (coalesce(l.entity_created_at, a.captured_at, s.settled_at) AT TIME ZONE 'Asia/Kolkata')::date AS day
    FROM settlements_settlementline l
    JOIN settlements_settlement s ON s.id = l.settlement_id
    LEFT JOIN payments_paymentattempt a ON a.id = l.attempt_id
    WHERE (l.kind = 'payment' AND l.attempt_id IS NOT NULL OR l.kind IN ('refund', 'transfer') AND l.reported_fee_amount <> 0)
      AND l.problem NOT IN ('duplicated_line', 'unknown_payment') AND l.currency = 'INR'
"""

_AUDIT = f"""
    WITH line AS (
        {JUDGED_LINES}
          AND l.id > %(after)s AND s.gateway = %(gateway)s
          AND (%(report)s::uuid IS NULL OR l.report_id = %(report)s)
          AND (%(settlements)s::uuid[] IS NULL OR l.settlement_id = ANY(%(settlements)s::uuid[]))
          AND (%(since)s::timestamptz IS NULL OR s.settled_at >= %(since)s)
        ORDER BY l.id LIMIT %(limit)s
    ), rates AS MATERIALIZED (
        {CURRENT_RATES}
    ), judged AS (
        SELECT line.*, applied.id AS rate_id, applied.charge AS expected_charge,
            (applied.charge * applied.gst_basis_points + 5000) / 10000 AS expected_tax
        FROM line LEFT JOIN LATERAL (
            SELECT rate.id, rate.gst_basis_points, {CHARGE_OF_LINE} AS charge FROM rates rate
            WHERE rate.gateway = line.gateway AND lower(rate.method) = lower(line.method)
              AND (rate.network = '' OR lower(rate.network) = lower(line.network))
              AND (rate.funding = '' OR lower(rate.funding) = lower(line.funding))
              AND (rate.is_international IS NULL OR rate.is_international = line.is_international)
              AND line.base BETWEEN coalesce(rate.amount_from, 0) AND coalesce(rate.amount_to, line.base)
              AND line.day BETWEEN rate.valid_from AND coalesce(rate.valid_to, line.day)
            ORDER BY rate.network <> '' DESC, rate.funding <> '' DESC, (rate.is_international IS NOT NULL) DESC,
                (rate.amount_from IS NOT NULL OR rate.amount_to IS NOT NULL) DESC, rate.valid_from DESC, rate.id DESC
            LIMIT 1
        ) applied ON true
    ), compared AS (
        SELECT judged.*, judged.expected_charge + judged.expected_tax AS expected_fee, CASE
                WHEN rate_id IS NULL THEN 'no_rate'
                WHEN charged_fee > expected_charge + expected_tax THEN 'overcharged'
                WHEN charged_fee < expected_charge + expected_tax THEN 'undercharged'
                WHEN charged_tax <> expected_tax THEN 'tax_differs'
                ELSE 'agrees' END AS outcome
        FROM judged
    ), latest AS (
        SELECT DISTINCT ON (c.line_id) c.line_id, c.revision, c.rate_id, c.outcome, c.expected_fee, c.expected_tax
        FROM settlements_feecheck c JOIN compared ON compared.id = c.line_id ORDER BY c.line_id, c.revision DESC
    ), added AS (
        INSERT INTO settlements_feecheck (
            created_at, line_id, revision, rate_id, outcome, method, month, charged_fee, charged_tax, base_amount,
            expected_fee, expected_tax
        )
        SELECT %(now)s, compared.id, coalesce(latest.revision, 0) + 1, compared.rate_id, compared.outcome, compared.method,
            date_trunc('month', compared.day)::date, compared.charged_fee, compared.charged_tax, compared.base, compared.expected_fee,
            compared.expected_tax
        FROM compared LEFT JOIN latest ON latest.line_id = compared.id
        WHERE latest.line_id IS NULL
           OR (latest.rate_id, latest.outcome, latest.expected_fee, latest.expected_tax)
              IS DISTINCT FROM (compared.rate_id, compared.outcome, compared.expected_fee, compared.expected_tax)
        ON CONFLICT (line_id, revision) DO NOTHING
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM line), (SELECT max(id::text)::uuid FROM line), (SELECT count(*) FROM added)
"""  # noqa: S608 - only constants of the code are interpolated

#: The current overcharges without an exception of theirs: `fee:` with the line and the revision of its check.
_CLAIMS_TO_OPEN = f"""
    SELECT c.line_id, c.revision, s.gateway, l.entity_id, l.attempt_id, s.gateway_settlement_id, c.charged_fee, c.expected_fee
    FROM settlements_feecheck c
    JOIN settlements_settlementline l ON l.id = c.line_id JOIN settlements_settlement s ON s.id = l.settlement_id
    WHERE c.outcome = 'overcharged' AND {IS_CURRENT}
      AND NOT EXISTS (SELECT 1 FROM ledger_reconciliationexception x WHERE x.gateway = s.gateway AND {CLAIMS_IT})
    ORDER BY c.line_id LIMIT %(limit)s
"""  # noqa: S608 - only constants of the code are interpolated

#: Open claims whose line is no longer overcharged by that sum, because the rate card has changed.
_CLAIMS_TO_CLOSE = f"""
    SELECT x.id FROM ledger_reconciliationexception x
    WHERE x.reason = 'fee_overcharged' AND x.resolved_at IS NULL AND NOT EXISTS (
        SELECT 1 FROM settlements_feecheck c WHERE c.outcome = 'overcharged' AND {IS_CURRENT} AND {CLAIMS_IT}
    )
    ORDER BY x.id LIMIT %(limit)s
"""  # noqa: S608 - only constants of the code are interpolated

_SUMMARY = f"""
    SELECT c.month, c.method, count(*), count(*) FILTER (WHERE c.outcome = 'no_rate'),
        count(*) FILTER (WHERE c.outcome = 'tax_differs'),
        count(*) FILTER (WHERE c.outcome = 'overcharged'), count(*) FILTER (WHERE c.outcome = 'undercharged'),
        coalesce(sum(c.charged_fee), 0)::bigint,
        coalesce(sum(c.charged_fee - c.expected_fee) FILTER (WHERE c.outcome = 'overcharged'), 0)::bigint,
        coalesce(sum(c.expected_fee - c.charged_fee) FILTER (WHERE c.outcome = 'undercharged'), 0)::bigint,
        coalesce(sum(c.charged_fee - c.expected_fee) FILTER (WHERE x.id IS NOT NULL), 0)::bigint
    FROM settlements_feecheck c
    LEFT JOIN ledger_reconciliationexception x ON c.outcome = 'overcharged' AND x.reason = 'fee_overcharged'
         AND {CLAIMS_IT} AND x.resolved_at IS NULL
    WHERE {IS_CURRENT} AND (%(first_month)s::date IS NULL OR c.month >= %(first_month)s)
    GROUP BY c.month, c.method ORDER BY c.month DESC, c.method
"""  # noqa: S608 - only constants of the code are interpolated


@dataclass(frozen=True)
class Scope:
    """
    Which lines are judged: those that an import added to some settlements, or all.

    The settlements bound what each batch reads: those that the import added to all of its settlements would be sorted each time.
    """

    report_id: UUID | None = None
    settlement_ids: Sequence[UUID] | None = None


@dataclass(frozen=True)
class Batch:
    """One batch of an audit: how many lines it read, the last of them, and how many results are new."""

    lines: int
    last_id: UUID | None
    added: int


@dataclass(frozen=True)
class Claim:
    """An overcharge that has no exception yet; the fees, in paise, include their GST."""

    line_id: UUID
    revision: int
    gateway: str
    entity_id: str
    attempt_id: UUID | None
    gateway_settlement_id: str
    charged_fee: int
    expected_fee: int


@dataclass(frozen=True)
class FeesOfMonth:
    """What the audit found of the fees of a month (its first day) and a method; sums in paise, with GST."""

    month: date
    method: str
    lines: int
    no_rate: int
    tax_differs: int
    overcharged: int
    undercharged: int
    charged_amount: int
    overcharged_amount: int
    undercharged_amount: int
    open_amount: int


def audit_batch(
    *,
    gateway: str,
    after: UUID,
    scope: Scope,
    since: datetime | None,
    limit: int,
    now: datetime,
) -> Batch:
    """Judge the next lines, by id after `after`; a result that is stored already is not stored again."""
    settlements = None if scope.settlement_ids is None else list(scope.settlement_ids)
    values = {
        "gateway": gateway, "after": after, "report": scope.report_id, "settlements": settlements, "since": since, "limit": limit,
        "now": now,
    }  # fmt: skip
    return Batch(*_rows(_AUDIT, values)[0])


def list_claims_to_open(*, limit: int) -> list[Claim]:
    """Return overcharges that have no exception yet."""
    return [Claim(*row) for row in _rows(_CLAIMS_TO_OPEN, {"limit": limit})]


def list_claims_to_close(*, limit: int) -> list[UUID]:
    """Return open claims that the rate card no longer supports."""
    return [row[0] for row in _rows(_CLAIMS_TO_CLOSE, {"limit": limit})]


def list_fees_by_month(*, first_month: date | None) -> list[FeesOfMonth]:
    """Return what the audit found by month and method, newest month first."""
    return [FeesOfMonth(*row) for row in _rows(_SUMMARY, {"first_month": first_month})]


def _rows(statement: str, values: dict[str, Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())
