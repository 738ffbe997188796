"""What documents do at the news of others and at their own."""

from datetime import datetime

from apps.core.events import SYSTEM
from apps.core.models import Event
from apps.core.relay import talks_outside
from apps.invoicing import services


def issue_invoice_for_order(*, event: Event, now: datetime) -> None:
    """Issue the invoice of an order that was confirmed."""
    services.issue_invoice(order_id=event.subject_id, actor=SYSTEM, now=now)


@talks_outside
def render_invoice(*, event: Event, now: datetime) -> None:
    """Make the PDF of an invoice that was issued; outside a transaction, as it writes a file."""
    services.render_document(invoice_id=event.subject_id, now=now)
