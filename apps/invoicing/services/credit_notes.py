"""How the credit note of a refund is issued: once, at the rates of its invoice, with the next number of its own series."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.core.errors import Conflict
from apps.core.events import Actor, change
from apps.core.quantities import to_milli
from apps.core.transactions import atomic, transactional
from apps.invoicing import events, rules, selectors
from apps.invoicing.models import Invoice, InvoiceLine
from apps.invoicing.services.invoices import INVOICEABLE_STATUSES
from apps.invoicing.services.ledger_accounts import ROUND_OFF, account_codes_for
from apps.invoicing.services.number_series import assign_number, create_document
from apps.invoicing.states import DocumentType
from apps.ledger.services import post_to_ledger
from apps.orders import locks as order_locks
from apps.payments import locks as payment_locks
from apps.payments import selectors as payments
from apps.payments import services as payment_services
from apps.payments.states import RefundReason, RefundStatus, ReviewReason
from apps.tax import selectors as tax
from apps.tax.rules import CREDIT_NOTE_PREFIX, Credit, ist_date

#: Money that belongs to no invoice, because nothing was sold for it: by the review of the refunded payment, or by a reason that
#: only the system sets.
SURPLUS_REVIEW_REASONS = (ReviewReason.PAID_TWICE, ReviewReason.AMOUNT_MISMATCH)
SURPLUS_REFUND_REASONS = (RefundReason.LATE_PAYMENT, RefundReason.PAID_TWICE)

_COPIED_FIELDS = (
    "order_id", "customer_id", "registration_id", "order_number", "seller", "buyer", "shipping_address", "place_of_supply",
    "is_reverse_charge", "currency",
)  # fmt: skip
_HEADS = ("cgst", "sgst", "utgst", "igst")


class RefundNotProcessed(Conflict):
    """A credit note was requested for a refund that has not been processed. Wait until it has."""

    message = "Refund {0} gets no credit note before it has been processed: it is {1}."


@dataclass(frozen=True, kw_only=True)
class _SaleDocument:
    """A document of the order's sale with its lines and what its credit notes have taken so far."""

    invoice: Invoice
    lines: Sequence[InvoiceLine]
    credited: selectors.CreditedAmounts


@transactional
def issue_credit_notes(*, refund_id: UUID, actor: Actor, now: datetime) -> list[Invoice]:
    """
    Issue the credit notes of a processed refund, with the next numbers of their series, and book them; once, however often called.

    One note for each document of the sale that the refund takes something of: two at most. None if they are skipped for a reason that
    is recorded, or the order's invoice is still to come, whose event then issues them. The money of a refund after the time limit is
    booked as less sales, at full tax, but for a fee that the payer bore. Where less than the order's amount was
    accepted as its payment, the refund of the last of it has notes for the rest of the order's amount too.

    :raises RefundNotProcessed: if the refund has not been processed
    :raises NumberSeriesUnavailable: if the series is used up, or another one of that year has its prefix
    """
    started = time.monotonic()
    order = order_locks.lock_order(payments.get_refund(refund_id).order_id)
    refund = payment_locks.lock_refund(refund_id)

    if selectors.find_credit_note_of_refund(refund_id) is not None or selectors.find_skip_reason(refund_id):
        return list(selectors.list_credit_notes_of_refund(refund_id))
    if refund.status != RefundStatus.PROCESSED:
        raise RefundNotProcessed(refund.number, refund.get_status_display().lower())
    invoices = selectors.list_invoices_of_order(order.pk)
    if not invoices and order.status in INVOICEABLE_STATUSES:
        return []
    sold = [_load_sale_document(invoice) for invoice in invoices]
    skip_reason = _skip_reason(order, refund, sold, now=now)
    # A payer who paid less than the order's amount gets that back, and the goods are credited at what they were sold for. A fee that
    # the payer bore was never part of the sale.
    is_in_time = skip_reason is not rules.SkipReason.DEADLINE_PASSED
    of_sale = refund.amount - payment_services.reverse_difference(refund=refund, is_in_time=is_in_time, now=now)
    if skip_reason is not None:
        _skip_credit_note(refund, sold, skip_reason, of_sale=of_sale, actor=actor, now=now)
        return []

    drafts = _draft_credit_notes(refund, sold, amount=of_sale)
    notes = [_build_document(refund, of.invoice, draft) for of, draft in drafts]
    for note, (of, draft) in zip(notes, drafts, strict=True):
        _post_to_ledger(note, now=now)
        # Postgres checks foreign keys at commit, so the lines are inserted first, without waiting for the number.
        InvoiceLine.objects.bulk_create(_lines_of(note, draft, of.lines))
    for note, (of, _) in zip(notes, drafts, strict=True):
        # Never before its invoice, whatever the clocks of two workers say.
        assign_number(note, prefix=CREDIT_NOTE_PREFIX, now=max(now, of.invoice.issued_at), started=started)
        create_document(note, events.CREDIT_NOTE_ISSUED, actor=actor, now=now)

    return notes


def issue_pending_credit_notes(*, order_id: UUID, actor: Actor, now: datetime) -> list[Invoice]:
    """
    Issue the credit notes that waited for the order's invoice, and return them.

    Called once it is issued, and once the order is cancelled, as then none will be.
    """
    with atomic(savepoint=False):
        order_locks.lock_order(order_id)
        waiting = [refund.pk for refund in payments.list_refunds_of_order(order_id) if _is_processed(refund)]
        notes = [issue_credit_notes(refund_id=refund_id, actor=actor, now=now) for refund_id in sorted(waiting)]
    return [note for of_refund in notes for note in of_refund]


def _is_processed(refund: Any) -> bool:
    return bool(refund.status == RefundStatus.PROCESSED)


def _load_sale_document(invoice: Invoice) -> _SaleDocument:
    return _SaleDocument(
        invoice=invoice,
        lines=selectors.list_invoice_lines(invoice.pk),
        credited=selectors.sum_credited_amounts(invoice.pk),
    )


def _skip_reason(order: Any, refund: Any, sold: Sequence[_SaleDocument], *, now: datetime) -> rules.SkipReason | None:
    return rules.credit_note_skip_reason(
        invoice_date=sold[0].invoice.invoice_date if sold else None,
        remaining=sum(of.invoice.total_amount - of.credited.total for of in sold),
        is_surplus=refund.reason in SURPLUS_REFUND_REASONS or refund.attempt.review_reason in SURPLUS_REVIEW_REASONS,
        is_before_sale=order.confirmed_at is not None and refund.processed_at < order.confirmed_at,
        today=ist_date(now),
    )


def _skip_credit_note(
    refund: Any, sold: Sequence[_SaleDocument], reason: rules.SkipReason, *, of_sale: int, actor: Actor, now: datetime
) -> None:
    """Record why a refund has no credit note; too late for one, what of it (paise) was of the sale is less sales."""
    if reason is rules.SkipReason.DEADLINE_PASSED and of_sale > 0:
        # Less is earned, and the tax stays due (CGST Act, section 34(2)).
        codes = account_codes_for(tax.get_registration(sold[0].invoice.registration_id))
        post_to_ledger(
            source_type="payments.refund",
            source_id=refund.pk,
            kind="late_credit",
            order_id=refund.order_id,
            entries={codes.sales: of_sale, payment_services.CUSTOMER_ADVANCES: -of_sale},
            description=f"Refund {refund.number} after the time limit of credit notes",
            occurred_at=now,
        )
    change(refund, events.CREDIT_NOTE_SKIPPED, {}, root=refund.order_id, actor=actor, event_reason=reason, now=now)


def _draft_credit_notes(
    refund: Any, sold: Sequence[_SaleDocument], *, amount: int
) -> list[tuple[_SaleDocument, rules.CreditDraft]]:
    line_amounts = {UUID(line_id): taken for line_id, taken in refund.line_amounts.items()}
    returned_units = {line.order_line_id: line.quantity for line in refund.lines.order_by("pk")}
    balances = [_document_balance(of, line_amounts, returned_units) for of in sold]
    shares = rules.allocate_to_documents(balances, min(amount, sum(balance.remaining for balance in balances)))
    return [
        (
            of,
            rules.draft_credit(
                balance.lines,
                remaining_round_off=balance.remaining_round_off,
                amount=share,
                line_amounts=balance.line_amounts,
                returned_units=balance.returned_units,
            ),
        )
        for of, balance, share in zip(sold, balances, shares, strict=True)
        if share
    ]


def _document_balance(
    of: _SaleDocument, line_amounts: Mapping[UUID, int], returned_units: Mapping[UUID, int]
) -> rules.DocumentBalance:
    own = {line.order_line_id for line in of.lines}
    return rules.DocumentBalance(
        lines=tuple(
            rules.LineBalance(
                order_line_id=line.order_line_id,
                original=selectors.credit_of(line),
                credited=of.credited.lines.get(line.order_line_id, Credit(quantity=0, taxable=0)),
            )
            for line in of.lines
        ),
        remaining_round_off=of.invoice.round_off_amount - of.credited.round_off,
        line_amounts={line_id: taken for line_id, taken in line_amounts.items() if line_id in own},
        returned_units={line_id: units for line_id, units in returned_units.items() if line_id in own},
    )


def _build_document(refund: Any, invoice: Invoice, draft: rules.CreditDraft) -> Invoice:
    heads = {f"{head}_amount": sum(getattr(credit, head) for _, credit in draft.lines) for head in _HEADS}
    return Invoice(
        type=DocumentType.CREDIT_NOTE,
        refers_to=invoice,
        refund_id=refund.pk,
        reason=refund.get_reason_display(),
        payment_reference=f"Refund {refund.gateway_refund_id or refund.transfer_reference or refund.number}"[:80],
        taxable_amount=sum(credit.taxable for _, credit in draft.lines),
        round_off_amount=draft.round_off,
        total_amount=draft.total,
        **heads,
        **{name: getattr(invoice, name) for name in _COPIED_FIELDS},
    )


def _lines_of(note: Invoice, draft: rules.CreditDraft, originals: Sequence[InvoiceLine]) -> list[InvoiceLine]:
    by_order_line = {line.order_line_id: line for line in originals}
    return [
        InvoiceLine(
            invoice=note,
            position=position,
            order_line_id=order_line_id,
            quantity_milli=to_milli(credit.quantity),
            gross_amount=credit.taxable,
            taxable_amount=credit.taxable,
            total_amount=credit.total,
            **{f"{head}_amount": getattr(credit, head) for head in _HEADS},
            **{
                name: getattr(by_order_line[order_line_id], name)
                for name in ("sku", "name", "hsn", "uqc", "unit_price", "price_includes_tax", "tax_rate", "taxability")
            },
        )
        for position, (order_line_id, credit) in enumerate(draft.lines, start=1)
    ]


def _post_to_ledger(note: Invoice, *, now: datetime) -> None:
    codes = account_codes_for(tax.get_registration(note.registration_id))
    post_to_ledger(
        source_type="invoicing.invoice",
        source_id=note.pk,
        kind="credit_note",
        order_id=note.order_id,
        entries={
            codes.sales: note.taxable_amount,
            codes.output_cgst: note.cgst_amount,
            codes.output_sgst: note.sgst_amount,
            codes.output_utgst: note.utgst_amount,
            codes.output_igst: note.igst_amount,
            ROUND_OFF: note.round_off_amount,
            payment_services.CUSTOMER_ADVANCES: -note.total_amount,
        },
        description=f"Credit note of order {note.order_number}",
        occurred_at=now,
    )
