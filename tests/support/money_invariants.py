"""The invariants of money: those of the ledger, payments, settlements, and those across apps."""

from apps.backoffice.invariants import INVARIANTS as ACROSS_APPS
from apps.core.audit import Invariant
from apps.ledger.invariants import INVARIANTS as LEDGER
from apps.payments.invariants import INVARIANTS as PAYMENTS
from apps.settlements.invariants import INVARIANTS as SETTLEMENTS

INVARIANTS: tuple[Invariant, ...] = (*LEDGER, *PAYMENTS, *SETTLEMENTS, *ACROSS_APPS)
