"""Invariants of settlements, of lines of bank statements, of exceptions about both, and of what is in suspense."""

from apps.core.audit import Invariant
from apps.settlements.invariants.bank_lines import INVARIANTS as BANK_LINES
from apps.settlements.invariants.exceptions import INVARIANTS as EXCEPTIONS
from apps.settlements.invariants.settlements import INVARIANTS as SETTLEMENTS
from apps.settlements.invariants.settlements import RECENT_ROWS as RECENT_ROWS

INVARIANTS: tuple[Invariant, ...] = (*SETTLEMENTS, *BANK_LINES, *EXCEPTIONS)
