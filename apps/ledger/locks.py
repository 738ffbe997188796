"""Row locks of the ledger. Postings lock no account: a balance is the sum of entries."""

from uuid import UUID

from django.db import connection

from apps.core.locks import lock_row
from apps.ledger.models import LedgerEntry, ReconciliationException, ReconciliationExceptionNotFound


def wait_for_postings() -> None:
    """
    Wait until every posting that has begun has ended, and hold off new ones until the transaction ends.

    Entry ids are given out before commit, so that the highest id seen is a safe end of the book only after this.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {LedgerEntry._meta.db_table} IN SHARE MODE")


def lock_exception(exception_id: UUID) -> ReconciliationException:
    """
    Lock a reconciliation exception.

    :raises ReconciliationExceptionNotFound: if there is none
    """
    return lock_row(ReconciliationException, exception_id, missing=ReconciliationExceptionNotFound)
