"""Audit -> checks: everything that must always hold, which rows an audit of recent changes reads, and which fields of events."""

from apps.accounts import invariants as accounts
from apps.backoffice import invariants as backoffice
from apps.catalog import invariants as catalog
from apps.core import invariants as core
from apps.core.audit import Invariant
from apps.fulfilment import invariants as fulfilment
from apps.invoicing import invariants as invoicing
from apps.ledger import invariants as ledger
from apps.notifications import invariants as notifications
from apps.orders import invariants as orders
from apps.payments import invariants as payments
from apps.settlements import invariants as settlements
from apps.tax import invariants as tax

INVARIANTS: tuple[Invariant, ...] = (
    *core.INVARIANTS,
    *accounts.INVARIANTS,
    *tax.INVARIANTS,
    *catalog.INVARIANTS,
    *ledger.INVARIANTS,
    *orders.INVARIANTS,
    *payments.INVARIANTS,
    *invoicing.INVARIANTS,
    *fulfilment.INVARIANTS,
    *settlements.INVARIANTS,
    *notifications.INVARIANTS,
    *backoffice.INVARIANTS,
)

#: A condition may name the tables of the apps before its own.
RECENT_ROWS: dict[str, str] = {
    **orders.RECENT_ROWS,
    **ledger.RECENT_ROWS,
    **payments.RECENT_ROWS,
    **invoicing.RECENT_ROWS,
    **fulfilment.RECENT_ROWS,
    **settlements.RECENT_ROWS,
}

#: By kind of row, what invariants read of its events besides the status.
RECORDED_FIELDS: dict[str, tuple[str, ...]] = {**orders.RECORDED_FIELDS}
