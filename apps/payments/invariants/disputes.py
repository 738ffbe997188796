"""What must hold of disputes."""

from apps.core.audit import Invariant

DISPUTES = (
    Invariant(
        id="INV-25d",
        name="disputes_hold_what_was_taken",
        statement="The books hold for each undecided dispute what was taken, as a loss for a lost one, and nothing for the rest.",
        sql="""
            SELECT d.id, d.status, d.amount_deducted, coalesce(b.held, 0) AS held, coalesce(b.lost, 0) AS lost
            FROM payments_dispute d
            LEFT JOIN (
                SELECT t.source_id, sum(e.amount) FILTER (WHERE e.account_id = 'disputes') AS held,
                       sum(e.amount) FILTER (WHERE e.account_id = 'dispute_losses') AS lost
                FROM payments_ledgertransaction t JOIN payments_ledgerentry e ON e.transaction_id = t.id
                WHERE t.source_type = 'payments.dispute' GROUP BY t.source_id
            ) b ON b.source_id = d.id
            WHERE coalesce(b.held, 0)
                  <> CASE WHEN d.status IN ('open', 'under_review') THEN d.amount_deducted ELSE 0 END
               OR coalesce(b.lost, 0) <> CASE WHEN d.status = 'lost' THEN d.amount_deducted ELSE 0 END
               OR (d.status IN ('won', 'closed') AND d.amount_deducted <> 0)
        """,
    ),
    Invariant(
        id="INV-18e",
        name="no_dispute_is_forgotten",
        statement="Every undecided dispute is looked at within an hour of its time; a decided one has its time and waits no more.",
        settles_in=3600,
        sql="""
            SELECT id, gateway_dispute_id, status, next_check_at, decided_at FROM payments_dispute
            WHERE CASE WHEN status IN ('open', 'under_review')
                  THEN decided_at IS NOT NULL OR coalesce(next_check_at, '-infinity') < %(now)s - interval '1 hour'
                  ELSE decided_at IS NULL OR next_check_at IS NOT NULL END
        """,
    ),
)
