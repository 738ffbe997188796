"""
Rules that judge the lines of a settlement report. The statement of `report_lines` is built from this table.

A condition may name these rows: `s`, the staged line; `a`, the captured attempt that a line of a payment names; `f`,
the refund that a line of a refund names; `corrected`, the attempt that an adjustment is about. A row that is not
there is all NULL.
"""

from dataclasses import dataclass
from typing import Final

from apps.ledger.states import ExceptionReason


@dataclass(frozen=True)
class LineRule:
    """A condition in SQL that opens an exception about a line, and the reason of that exception."""

    name: str
    reason: ExceptionReason
    condition: str


#: In order of precedence: a line has the reason of the first rule whose condition holds.
RULES: Final = (
    LineRule("repeated_in_report", ExceptionReason.DUPLICATED_LINE, "s.repetition > 1"),
    LineRule(
        "in_another_settlement",
        ExceptionReason.DUPLICATED_LINE,
        """EXISTS (
            SELECT 1 FROM settlements_settlementline l
            WHERE l.entity_id = s.entity_id AND l.kind = s.kind AND l.reported_kind = s.reported_kind
              AND l.settlement_id <> %(settlement)s
        )""",
    ),
    LineRule(
        # Staff have decided already where the money of the missing line went.
        "resolved_while_missing",
        ExceptionReason.DUPLICATED_LINE,
        """s.kind IN ('payment', 'refund') AND EXISTS (
            SELECT 1 FROM ledger_reconciliationexception e
            WHERE e.entity_id = s.entity_id AND e.reason = 'missing_line'
              AND (e.resolution IN ('written_off', 'paid_outside') OR e.resolution = 'cleared' AND e.held_amount <> 0)
        )""",
    ),
    LineRule("payment_unknown", ExceptionReason.UNKNOWN_PAYMENT, "s.kind = 'payment' AND a.id IS NULL"),
    LineRule("refund_unknown", ExceptionReason.UNKNOWN_PAYMENT, "s.kind = 'refund' AND f.id IS NULL"),
    LineRule(
        "payment_amount_differs",
        ExceptionReason.AMOUNT_MISMATCH,
        "s.kind = 'payment' AND (s.amount, s.currency) <> (a.amount, a.currency)",
    ),
    LineRule(
        "refund_amount_differs",
        ExceptionReason.AMOUNT_MISMATCH,
        "s.kind = 'refund' AND (s.amount, s.currency) <> (f.amount, f.currency)",
    ),
    LineRule(
        "does_not_add_up",
        ExceptionReason.CREDIT_MISMATCH,
        """s.kind IN ('payment', 'refund', 'transfer', 'reversal')
        AND s.credit - s.debit <> s.sign * s.amount - s.fee_amount + s.fee_credit""",
    ),
    LineRule(
        "payment_fee_differs",
        ExceptionReason.FEE_MISMATCH,
        "s.kind = 'payment' AND s.fee_amount <> coalesce(a.fee_amount, s.fee_amount)",
    ),
    LineRule(
        "payment_tax_differs",
        ExceptionReason.FEE_MISMATCH,
        "s.kind = 'payment' AND s.tax_amount <> coalesce(a.fee_tax_amount, s.tax_amount)",
    ),
    LineRule(
        "tax_exceeds_fee",
        ExceptionReason.FEE_MISMATCH,
        "s.kind IN ('payment', 'refund', 'transfer', 'reversal') AND s.tax_amount > s.fee_amount",
    ),
    LineRule(
        # An adjustment of prepaid fee credits corrects no payment; it changes the fees.
        "adjustment_unknown",
        ExceptionReason.UNKNOWN_ADJUSTMENT,
        "s.kind = 'adjustment' AND s.credit_type <> 'fee' AND corrected.attempt_id IS NULL",
    ),
    LineRule(
        "kind_unknown",
        ExceptionReason.UNKNOWN_KIND,
        "s.kind NOT IN ('payment', 'refund', 'transfer', 'reversal', 'adjustment')",
    ),
)

#: Reasons of a line of which we book nothing: its whole amount is held in suspense.
HELD_WHOLE: Final = (
    ExceptionReason.DUPLICATED_LINE,
    ExceptionReason.UNKNOWN_PAYMENT,
    ExceptionReason.UNKNOWN_ADJUSTMENT,
    ExceptionReason.UNKNOWN_KIND,
)

#: The reason of a line, as an expression; empty if no rule catches the line.
REASON: Final = "\n".join(
    ["CASE", *(f"WHEN {rule.condition} THEN '{rule.reason.value}'" for rule in RULES), "ELSE '' END"]
)

#: Whether a line with a problem can be attributed to a payment in Bahi, as an expression.
IS_OURS: Final = "problem NOT IN ({})".format(", ".join(f"'{reason.value}'" for reason in HELD_WHOLE))
