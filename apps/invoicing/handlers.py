"""Handlers of documents for events of other apps and their own."""

from datetime import datetime

from apps.core.events import SYSTEM
from apps.core.models import Event
from apps.core.relay import calls_external
from apps.invoicing.services import credit_notes, invoices, pdf


def issue_invoices_of_order(*, event: Event, now: datetime) -> None:
    """Issue the documents of an order that was confirmed and not cancelled since."""
    invoices.invoice_confirmed_order(order_id=event.subject_id, actor=SYSTEM, now=now)


def issue_credit_notes_of_refund(*, event: Event, now: datetime) -> None:
    """Issue the credit notes of a processed refund."""
    credit_notes.issue_credit_notes(refund_id=event.subject_id, actor=SYSTEM, now=now)


def issue_pending_credit_notes(*, event: Event, now: datetime) -> None:
    """Issue or skip the credit notes of refunds that preceded the order's invoice, once it is issued or will not be."""
    assert event.root_id is not None  # noqa: S101 - events of orders and documents have the order as root
    credit_notes.issue_pending_credit_notes(order_id=event.root_id, actor=SYSTEM, now=now)


@calls_external
def render_invoice(*, event: Event, now: datetime) -> None:
    """Render the PDF of an issued document; outside a transaction, because it writes a file."""
    pdf.render_document(invoice_id=event.subject_id, now=now)
