"""
The receivable from a gateway per payment, as one SELECT that the audit and the search for overdue receivables share.

The ledger has only the total that the gateway owes. This SELECT derives it per payment: captures, less refunds, dispute
deductions and settlements, with the resolutions of exceptions. `since` is the last change. What belongs to no payment
is in the row without an attempt.
"""

RECEIVABLES = """
    SELECT moved.gateway, moved.attempt_id, moved.currency, sum(moved.amount) AS amount, max(moved.at) AS since
    FROM (
        SELECT a.gateway, a.id AS attempt_id, a.currency, a.amount, a.captured_at AS at
        FROM payments_paymentattempt a WHERE a.status = 'captured'
        UNION ALL
        SELECT a.gateway, a.id, r.currency, -r.amount, r.processed_at
        FROM payments_refund r JOIN payments_paymentattempt a ON a.id = r.attempt_id
        WHERE r.status = 'processed' AND r.transfer_reference = ''
        UNION ALL
        SELECT a.gateway, a.id, d.currency, -d.amount_deducted, coalesce(d.decided_at, d.opened_at)
        FROM payments_dispute d JOIN payments_paymentattempt a ON a.id = d.attempt_id WHERE d.amount_deducted <> 0
        UNION ALL
        SELECT s.gateway, coalesce(l.attempt_id, r.attempt_id), s.currency, -l.cleared_amount, l.created_at
        FROM payments_settlementline l JOIN payments_settlement s ON s.id = l.settlement_id
        LEFT JOIN payments_refund r ON r.id = l.refund_id WHERE l.cleared_amount <> 0
        UNION ALL
        SELECT x.gateway, coalesce(x.attempt_id, settled.attempt_id, missed.attempt_id), e.currency, e.amount, t.created_at
        FROM payments_reconciliationexception x
        JOIN payments_ledgertransaction t
             ON t.source_type = 'payments.reconciliationexception' AND t.source_id = x.id AND t.kind = 'resolution'
        JOIN payments_ledgerentry e ON e.transaction_id = t.id AND e.account_id = 'gateway_receivable:' || x.gateway
        LEFT JOIN payments_settlementline l ON l.id = x.line_id
        LEFT JOIN payments_refund settled ON settled.id = l.refund_id
        LEFT JOIN payments_refund missed ON x.reason = 'missing_line' AND missed.gateway_refund_id = x.entity_id
        WHERE x.resolved_at IS NOT NULL
    ) moved
    GROUP BY moved.gateway, moved.attempt_id, moved.currency
"""

#: A condition on `receivable`: no settlement of the gateway has been imported, and one open exception says so for all
#: rows.
AWAITS_IMPORT = """
    EXISTS (
        SELECT 1 FROM payments_reconciliationexception x
        WHERE x.gateway = receivable.gateway AND x.reason = 'settlements_not_imported' AND x.resolved_at IS NULL
    )
"""

#: A condition on `receivable`: no open exception or dispute explains it. It compares by equality, so the planner can
#: hash.
HAS_NO_OPEN_EXCEPTION = """
    NOT EXISTS (
        SELECT 1 FROM (
            SELECT x.attempt_id FROM payments_reconciliationexception x WHERE x.resolved_at IS NULL
            UNION ALL
            SELECT r.attempt_id FROM payments_reconciliationexception x JOIN payments_settlementline l ON l.id = x.line_id
            JOIN payments_refund r ON r.id = l.refund_id WHERE x.resolved_at IS NULL
            UNION ALL
            SELECT r.attempt_id FROM payments_reconciliationexception x JOIN payments_refund r ON r.id = x.refund_id
            WHERE x.resolved_at IS NULL
            UNION ALL
            SELECT r.attempt_id FROM payments_reconciliationexception x
            JOIN payments_refund r ON r.gateway_refund_id = x.entity_id
            WHERE x.resolved_at IS NULL AND x.reason = 'missing_line'
            UNION ALL
            SELECT d.attempt_id FROM payments_dispute d WHERE d.status IN ('open', 'under_review')
        ) explained WHERE explained.attempt_id = receivable.attempt_id
    ) AND NOT (
        receivable.attempt_id IS NULL AND EXISTS (
            SELECT 1 FROM payments_reconciliationexception x
            WHERE x.resolved_at IS NULL AND x.reason = 'receivable_overdue' AND x.attempt_id IS NULL
        )
    )
"""
