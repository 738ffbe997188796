"""What must always hold of documents, credit notes and their place in the books."""

from apps.core.audit import Invariant
from apps.invoicing.invariants.books import BOOKS
from apps.invoicing.invariants.credit_notes import CREDIT_NOTES
from apps.invoicing.invariants.documents import DOCUMENTS

#: The rows of orders that changed lately.
RECENT_ROWS = {
    "invoicing_invoice": "order_id IN (SELECT id FROM recent_root)",
    "invoicing_invoiceline": "invoice_id IN (SELECT id FROM invoicing_invoice)",
}

INVARIANTS: tuple[Invariant, ...] = (*DOCUMENTS, *CREDIT_NOTES, *BOOKS)

__all__ = ["INVARIANTS"]
