"""What documents do at the news of others and at their own."""

from datetime import datetime

from apps.core.events import SYSTEM
from apps.core.models import Event
from apps.core.relay import calls_external
from apps.invoicing import services


def issue_invoice_for_order(*, event: Event, now: datetime) -> None:
    """Issue the invoice of an order that was confirmed and not cancelled since."""
    services.invoice_confirmed_order(order_id=event.subject_id, actor=SYSTEM, now=now)


def issue_credit_note_for_refund(*, event: Event, now: datetime) -> None:
    """Issue the credit note of a refund whose money has gone back."""
    services.issue_credit_note(refund_id=event.subject_id, actor=SYSTEM, now=now)


def issue_pending_credit_notes(*, event: Event, now: datetime) -> None:
    """Decide on the refunds that came before the order's invoice, now that it is there or never will be."""
    assert event.root_id is not None  # noqa: S101 - news of orders and documents has its order as root
    services.issue_pending_credit_notes(order_id=event.root_id, actor=SYSTEM, now=now)


@calls_external
def render_invoice(*, event: Event, now: datetime) -> None:
    """Make the PDF of a document that was issued; outside a transaction, as it writes a file."""
    services.render_document(invoice_id=event.subject_id, now=now)
