"""
GST documents as pure functions: their number, their time, their contents, and the total in words.

Integer paise, basis points and plain values in; frozen dataclasses out.
"""

from apps.invoicing.rules.amount_in_words import amount_in_words, grouped
from apps.invoicing.rules.credit_notes import (
    CreditDraft,
    LineBalance,
    SkipReason,
    credit_deadline,
    credit_note_skip_reason,
    draft_credit,
)
from apps.invoicing.rules.document_types import (
    SALE_DOCUMENT_TYPES,
    Wording,
    fingerprint_of_parties,
    is_registered_buyer,
    prefix_of,
    split_by_document,
    tax_note,
    wording_of,
)
from apps.invoicing.rules.invoices import (
    Draft,
    DraftLine,
    HsnRow,
    Refusal,
    check_draft,
    check_line,
    draft_of,
    hsn_summary,
)
from apps.invoicing.rules.number_series import (
    MAX_SEQUENCE,
    NUMBER_REGEX,
    SEQUENCE_DIGITS,
    beginning_of_numbers,
    document_number,
    financial_year_at,
    invoice_date_at,
    next_issued_at,
)
from apps.invoicing.rules.refund_allocation import DocumentBalance, allocate_to_documents

__all__ = [
    "MAX_SEQUENCE",
    "NUMBER_REGEX",
    "SALE_DOCUMENT_TYPES",
    "SEQUENCE_DIGITS",
    "CreditDraft",
    "DocumentBalance",
    "Draft",
    "DraftLine",
    "HsnRow",
    "LineBalance",
    "Refusal",
    "SkipReason",
    "Wording",
    "allocate_to_documents",
    "amount_in_words",
    "beginning_of_numbers",
    "check_draft",
    "check_line",
    "credit_deadline",
    "credit_note_skip_reason",
    "document_number",
    "draft_credit",
    "draft_of",
    "financial_year_at",
    "fingerprint_of_parties",
    "grouped",
    "hsn_summary",
    "invoice_date_at",
    "is_registered_buyer",
    "next_issued_at",
    "prefix_of",
    "split_by_document",
    "tax_note",
    "wording_of",
]
