"""What staff add to a dispute, for the bank to read."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from apps.core.errors import Invalid
from apps.core.events import Actor, record
from apps.orders.locks import lock_order
from apps.payments import events, locks, selectors
from apps.payments.models import DisputeEvidence
from apps.payments.services.disputes.gateway_updates import check_answerable
from apps.payments.states import ProofKind

MOST_PIECES = 20


class TooMuchEvidence(Invalid):
    message = "A dispute takes at most {0} pieces of evidence."


class TrackingIsOfShipping(Invalid):
    message = "A carrier and a tracking number belong to evidence of shipping."


@transaction.atomic
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
    :raises DisputeNotAnswerable: if it is not open, or was answered
    :raises DisputeDeadlineMissed: if its time is over
    :raises TrackingIsOfShipping: if another kind of evidence names a carrier or a tracking number
    :raises TooMuchEvidence: if it has as many pieces as it may
    """
    order = lock_order(selectors.get_dispute(dispute_id).order_id)
    dispute = locks.lock_dispute(dispute_id=dispute_id)

    assert dispute is not None  # noqa: S101 - disputes are never deleted
    check_answerable(dispute, now=now)
    if ProofKind(kind) != ProofKind.SHIPPING and (carrier or tracking_number):
        raise TrackingIsOfShipping(param="tracking_number" if tracking_number else "carrier")
    if len(selectors.list_evidence(dispute.pk)) >= MOST_PIECES:
        raise TooMuchEvidence(MOST_PIECES)

    evidence = DisputeEvidence.objects.create(
        dispute=dispute,
        kind=ProofKind(kind),
        text=text,
        carrier=carrier,
        tracking_number=tracking_number,
        added_by=str(actor),
        created_at=now,
    )

    record(
        events.DISPUTE_EVIDENCE_ADDED,
        subject=dispute,
        root_id=order.pk,
        actor=actor,
        changed={},
        reason=str(evidence),
        now=now,
    )

    return evidence
