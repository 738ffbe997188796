"""
Row locks of settlements.

The line booking is locked first, then the settlement, then exceptions (`ledger.locks.lock_exception`).
"""

from collections.abc import Iterable
from uuid import UUID

from django.db import connection

from apps.settlements.models import BankStatementImport, Settlement, SettlementImport

#: The key of the advisory lock: any number that no other lock uses.
_LINE_BOOKING_LOCK = 7_203_001


def lock_line_booking() -> None:
    """
    Let nobody else book lines of settlements until the transaction ends; taken before the settlement.

    One payment may stand in two settlements, whose rows are two locks: only one of them may clear it. Waits as long as a
    statement may, because a settlement has many lines.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = 0")
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LINE_BOOKING_LOCK])
        cursor.execute("SET LOCAL lock_timeout TO DEFAULT")


def lock_settlement(*, gateway: str, gateway_settlement_id: str) -> Settlement | None:
    """Lock a settlement by the gateway's id, or return None if it is not known yet; nothing else is locked after it."""
    rows = Settlement.objects.select_for_update(no_key=True, of=("self",))
    return rows.filter(gateway=gateway, gateway_settlement_id=gateway_settlement_id).first()


def lock_settlements(settlement_ids: Iterable[UUID]) -> None:
    """Lock settlements, in the order of their ids."""
    rows = Settlement.objects.select_for_update(no_key=True, of=("self",))
    list(rows.filter(pk__in=list(settlement_ids)).order_by("pk").values_list("pk"))


def lock_settlement_import(import_id: UUID) -> SettlementImport:
    """Lock an import that exists."""
    return SettlementImport.objects.select_for_update(no_key=True, of=("self",)).get(pk=import_id)


def lock_bank_statement_import(import_id: UUID) -> BankStatementImport:
    """Lock an import of a bank's statement that exists."""
    return BankStatementImport.objects.select_for_update(no_key=True, of=("self",)).get(pk=import_id)
