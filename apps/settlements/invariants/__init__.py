"""Invariants of settlements, of lines of bank statements, and of what they leave in suspense."""

from apps.core.audit import Invariant
from apps.settlements.invariants.bank_lines import INVARIANTS as BANK_LINES
from apps.settlements.invariants.settlements import INVARIANTS as SETTLEMENTS

INVARIANTS: tuple[Invariant, ...] = (*SETTLEMENTS, *BANK_LINES)
