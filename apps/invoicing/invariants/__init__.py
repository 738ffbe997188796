"""What must always hold of documents, credit notes and their place in the books."""

from apps.core.audit import Invariant
from apps.invoicing.invariants.books import BOOKS
from apps.invoicing.invariants.credit_notes import CREDIT_NOTES
from apps.invoicing.invariants.documents import DOCUMENTS

INVARIANTS: tuple[Invariant, ...] = (*DOCUMENTS, *CREDIT_NOTES, *BOOKS)

__all__ = ["INVARIANTS"]
