"""What staff add to a dispute, for the bank to read."""

from datetime import datetime
from uuid import UUID

from apps.core.errors import Invalid
from apps.core.events import Actor, change
from apps.core.transactions import transactional
from apps.orders.locks import lock_order
from apps.payments import events, locks
from apps.payments.models import DisputeEvidence
from apps.payments.selectors import disputes as selectors
from apps.payments.services.disputes.responses import check_awaiting_response
from apps.payments.states import EvidenceKind

MAX_EVIDENCE_PIECES = 20


class EvidenceLimitExceeded(Invalid):
    """The dispute already has the maximum number of pieces of evidence. Send the most important ones."""

    message = "A dispute can have at most {0} pieces of evidence."


class TrackingRequiresShippingEvidence(Invalid):
    """A carrier or tracking number was sent with evidence that is not of shipping. Leave it out, or change the type."""

    message = "A carrier and a tracking number are allowed with evidence of shipping only."


@transactional
def add_dispute_evidence(
    *,
    dispute_id: UUID,
    kind: str,
    text: str,
    carrier: str = "",
    tracking_number: str = "",
    actor: Actor,
    now: datetime,
) -> DisputeEvidence:
    """
    Keep a statement of staff's about a disputed sale; it goes to the bank when the dispute is contested.

    :raises DisputeNotFound: if there is none
    :raises DisputeNotAwaitingResponse: if it is not open, or was answered
    :raises DisputeDeadlinePassed: if its time is over
    :raises TrackingRequiresShippingEvidence: if another kind of evidence names a carrier or a tracking number
    :raises EvidenceLimitExceeded: if it has as many pieces as it may
    """
    order = lock_order(selectors.get_dispute(dispute_id).order_id)
    dispute = locks.lock_dispute(dispute_id=dispute_id)

    assert dispute is not None  # noqa: S101 - disputes are never deleted
    check_awaiting_response(dispute, now=now)
    if EvidenceKind(kind) != EvidenceKind.SHIPPING and (carrier or tracking_number):
        raise TrackingRequiresShippingEvidence(param="tracking_number" if tracking_number else "carrier")
    if len(selectors.list_evidence(dispute.pk)) >= MAX_EVIDENCE_PIECES:
        raise EvidenceLimitExceeded(MAX_EVIDENCE_PIECES)

    evidence = DisputeEvidence.objects.create(
        dispute=dispute,
        kind=EvidenceKind(kind),
        text=text,
        carrier=carrier,
        tracking_number=tracking_number,
        added_by=str(actor),
        created_at=now,
    )

    change(dispute, events.DISPUTE_EVIDENCE_ADDED, {}, root=order.pk, actor=actor, event_reason=str(evidence), now=now)

    return evidence
