"""Clock-driven work of documents."""

from celery import shared_task

from apps.core import clock
from apps.invoicing.services import pdf


@shared_task(name="invoicing.render_missing_documents")
def render_missing_documents(**_: object) -> None:
    """Make the PDFs that no worker made in time."""
    pdf.render_missing_documents(now=clock.now())
