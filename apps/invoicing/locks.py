"""FOR UPDATE on documents and their series. A series is locked last of all, right before the INSERT that takes its number."""

from uuid import UUID

from apps.core.locks import lock_row
from apps.core.rows import find_row
from apps.invoicing.models import Invoice, NumberSeries


def lock_series(*, registration_id: UUID, document_type: str, financial_year: str) -> NumberSeries | None:
    """Lock and return the series of a kind of document in a financial year, or None if it has not been opened."""
    wanted = "WHERE it.registration_id = $1 AND it.document_type = $2 AND it.financial_year = $3 FOR NO KEY UPDATE"
    return find_row(NumberSeries, wanted, [str(registration_id), document_type, financial_year])


def lock_invoice(invoice_id: UUID) -> Invoice:
    """Lock and return a document, which is never deleted."""
    return lock_row(Invoice, invoice_id, missing=Invoice.DoesNotExist)
