"""Invariants of settlements, of lines of bank statements, of exceptions about both, and of what is in suspense."""

from apps.core.audit import Invariant
from apps.settlements.invariants.bank_lines import INVARIANTS as BANK_LINES
from apps.settlements.invariants.exceptions import INVARIANTS as EXCEPTIONS
from apps.settlements.invariants.settlements import INVARIANTS as SETTLEMENTS

INVARIANTS: tuple[Invariant, ...] = (*SETTLEMENTS, *BANK_LINES, *EXCEPTIONS)

#: The lines of payments and refunds of orders that changed lately. In two parts, so that each is found by its index.
RECENT_ROWS = {
    "settlements_settlementline": """
        id IN (SELECT id FROM settlements_settlementline WHERE attempt_id IN (SELECT id FROM payments_paymentattempt)
               UNION ALL
               SELECT id FROM settlements_settlementline WHERE refund_id IN (SELECT id FROM payments_refund))
    """,
}
