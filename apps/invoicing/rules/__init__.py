"""
GST documents as pure functions: their number, their moment, what stands on them, and the total in words.

Integer paise, basis points and plain values in; frozen dataclasses out.
"""

from apps.invoicing.rules.amounts_in_words import amount_in_words, grouped
from apps.invoicing.rules.credit_notes import (
    CreditDraft,
    LineBalance,
    Withheld,
    credit_deadline,
    draft_credit,
    reason_to_withhold,
)
from apps.invoicing.rules.document_types import (
    SALE_DOCUMENTS,
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
    HIGHEST_SEQUENCE,
    NUMBER_FORM,
    SEQUENCE_DIGITS,
    beginning_of_numbers,
    document_number,
    financial_year_at,
    invoice_date_at,
    moment_of_issue,
)
from apps.invoicing.rules.refund_allocation import DocumentBalance, share_amount

__all__ = [
    "HIGHEST_SEQUENCE",
    "NUMBER_FORM",
    "SALE_DOCUMENTS",
    "SEQUENCE_DIGITS",
    "CreditDraft",
    "DocumentBalance",
    "Draft",
    "DraftLine",
    "HsnRow",
    "LineBalance",
    "Refusal",
    "Withheld",
    "Wording",
    "amount_in_words",
    "beginning_of_numbers",
    "check_draft",
    "check_line",
    "credit_deadline",
    "document_number",
    "draft_credit",
    "draft_of",
    "financial_year_at",
    "fingerprint_of_parties",
    "grouped",
    "hsn_summary",
    "invoice_date_at",
    "is_registered_buyer",
    "moment_of_issue",
    "prefix_of",
    "reason_to_withhold",
    "share_amount",
    "split_by_document",
    "tax_note",
    "wording_of",
]
