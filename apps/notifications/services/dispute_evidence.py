"""The evidence pack of a dispute as a PDF: requested by staff, rendered by a worker, kept until the evidence changes."""

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from apps.core.events import Actor, find_recent_event, record
from apps.invoicing.selectors import DocumentNotReady
from apps.notifications import documents, events, selectors
from apps.notifications.gateways import evidence_files
from apps.orders.locks import lock_order
from apps.payments import locks as payment_locks
from apps.payments import selectors as payments

#: A worker has this long before the same evidence is requested again.
RENDERED_WITHIN = timedelta(seconds=60)


def get_evidence_pdf(*, dispute_id: UUID, actor: Actor, now: datetime) -> tuple[str, bytes]:
    """
    Return the name and the PDF of a dispute's evidence as it stands now; if there is none yet, request it of a worker.

    :raises DisputeNotFound: if there is no such dispute
    :raises DocumentNotReady: while the PDF is being rendered
    """
    evidence = selectors.get_evidence(dispute_id)
    content = evidence_files.read(evidence.dispute.public_id, documents.fingerprint(evidence))
    if content is None:
        request_evidence_pdf(dispute_id=dispute_id, actor=actor, now=now)
        raise DocumentNotReady(f"the evidence for dispute {evidence.dispute.gateway_dispute_id}", retry_after=2)
    return evidence_name(evidence), content


@transaction.atomic
def request_evidence_pdf(*, dispute_id: UUID, actor: Actor, now: datetime) -> None:
    """
    Request the PDF of a dispute's evidence, unless that was done a moment ago.

    :raises DisputeNotFound: if there is no such dispute
    """
    order = lock_order(payments.get_dispute(dispute_id).order_id)
    dispute = payment_locks.lock_dispute(dispute_id=dispute_id)

    assert dispute is not None  # noqa: S101 - disputes are never deleted
    if find_recent_event(events.DISPUTE_EVIDENCE_REQUESTED, subject=dispute, since=now - RENDERED_WITHIN) is not None:
        return

    record(
        events.DISPUTE_EVIDENCE_REQUESTED, subject=dispute, root_id=order.pk, actor=actor, changed={}, now=now
    )  # fmt: skip


def render_evidence_pdf(*, dispute_id: UUID) -> None:
    """
    Render and keep the PDF of a dispute's evidence as it stands now; outside a transaction, as it writes a file.

    :raises DisputeNotFound: if there is no such dispute
    :raises EvidenceNotStored: if the disk refuses it
    """
    evidence = selectors.get_evidence(dispute_id)
    evidence_files.store(evidence.dispute.public_id, documents.fingerprint(evidence), documents.draw_evidence(evidence))


def evidence_name(evidence: selectors.Evidence) -> str:
    """Return the file name of an evidence pack."""
    return f"evidence-{evidence.order.number}.pdf"
