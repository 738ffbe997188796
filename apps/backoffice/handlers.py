"""Event handlers of the back office."""

from datetime import datetime

from apps.backoffice.services import dispute_evidence, dispute_responses
from apps.core.models import Event
from apps.core.relay import calls_external


@calls_external
def respond_to_dispute(*, event: Event, now: datetime) -> None:
    """Submit the response to a dispute to the gateway, with the evidence if it is contested."""
    dispute_responses.submit_response_with_evidence(dispute_id=event.subject_id, now=now)


@calls_external
def render_evidence(*, event: Event, now: datetime) -> None:
    """Render the PDF of a dispute's evidence, which has changed or was requested; outside a transaction, as it writes a file."""
    dispute_evidence.render_evidence_pdf(dispute_id=event.subject_id)
