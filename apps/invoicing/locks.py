"""FOR UPDATE on documents and their series. A series is locked last of all, right before the INSERT that takes its number."""

from uuid import UUID

from apps.core.locks import lock_row
from apps.invoicing.models import Invoice, NumberSeries


def lock_series(*, registration_id: UUID, document_type: str, financial_year: str) -> NumberSeries | None:
    """Lock and return the series of a kind of document in a financial year, or None if it has not been opened."""
    return (
        NumberSeries.objects.select_for_update(no_key=True, of=("self",))
        .filter(registration_id=registration_id, document_type=document_type, financial_year=financial_year)
        .first()
    )


def lock_invoice(invoice_id: UUID) -> Invoice:
    """Lock and return a document, which is never deleted."""
    return lock_row(Invoice, invoice_id, missing=Invoice.DoesNotExist)
