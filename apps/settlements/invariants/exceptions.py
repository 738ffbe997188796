"""Invariants of what the exceptions about settlements are about."""

from apps.core.audit import Invariant

INVARIANTS: tuple[Invariant, ...] = (
    Invariant(
        id="INV-26l",
        name="what_is_owed_is_explained_once",
        statement="No receivable is reported as overdue while another exception about its payment is open, unless that claims a fee.",
        sql="""
            SELECT e.id, e.entity_id, e.opened_at, earlier.id AS explained_by, earlier.reason
            FROM ledger_reconciliationexception e
            JOIN ledger_reconciliationexception earlier
                 ON earlier.attempt_id = e.attempt_id AND earlier.id <> e.id AND earlier.reason <> 'fee_overcharged'
                AND earlier.opened_at <= e.opened_at
                AND (earlier.resolved_at IS NULL OR earlier.resolved_at > e.opened_at)
            WHERE e.reason = 'receivable_overdue'
        """,
    ),
    Invariant(
        id="INV-26m",
        name="exceptions_fit_their_subject",
        statement="An exception about a settlement's sum or transfer names the settlement; one about a missing line or an overdue"
        " receivable names neither a settlement nor a line.",
        sql="""
            SELECT id, reason, entity_id, settlement_id, line_id FROM ledger_reconciliationexception
            WHERE (reason IN ('sum_mismatch', 'settlement_failed', 'transfer_overdue') AND settlement_id IS NULL)
               OR (reason IN ('missing_line', 'receivable_overdue', 'settlements_not_imported')
                   AND (settlement_id IS NOT NULL OR line_id IS NOT NULL))
        """,
    ),
)
