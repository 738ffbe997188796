"""
The evidence pack of a dispute as a PDF.

A worker renders it when a dispute is reported or its evidence added to, and when staff request it; it is kept until the
evidence changes.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from apps.backoffice import documents, events
from apps.backoffice.selectors.dispute_evidence import Evidence, get_evidence
from apps.core.events import Actor, change, find_recent_event
from apps.core.pdf import copies
from apps.core.transactions import transactional
from apps.invoicing.selectors import DocumentNotReady
from apps.orders.locks import lock_order
from apps.payments import locks as payment_locks
from apps.payments import selectors as payments

#: A worker has this long before the same evidence is requested again.
RENDER_TIMEOUT = timedelta(seconds=60)
_FOLDER = "dispute-evidence"


class EvidenceNotRendered(DocumentNotReady):
    """
    The PDF of the evidence is missing or older than the evidence.

    Request it, and repeat this request in a moment.
    """

    message = (
        "There is no PDF of the evidence for dispute {0} as it stands now. Request it with POST /api/v1/disputes/{1}/evidence/pdf,"
        " and repeat this request in a moment."
    )
    code = DocumentNotReady.code


def get_evidence_pdf(*, dispute_id: UUID, now: datetime) -> tuple[str, bytes]:
    """
    Return the name and the PDF of a dispute's evidence as it stands now. Writes nothing, and requests nothing.

    :raises DisputeNotFound: if there is no such dispute
    :raises EvidenceNotRendered: if there is none of the evidence as it stands now, and it was not requested
    :raises DocumentNotReady: while the PDF is being rendered
    """
    evidence = get_evidence(dispute_id)
    dispute = evidence.dispute
    content = _read(evidence)
    if content is None and _is_requested(dispute, now=now):
        raise DocumentNotReady(f"the evidence for dispute {dispute.gateway_dispute_id}", retry_after=2)
    if content is None:
        raise EvidenceNotRendered(dispute.gateway_dispute_id, dispute.public_id, retry_after=2)
    return evidence_name(evidence), content


@transactional
def request_evidence_pdf(*, dispute_id: UUID, actor: Actor, now: datetime) -> bool:
    """
    Request the PDF of a dispute's evidence of a worker, unless that was done a moment ago; return True if there is one already.

    :raises DisputeNotFound: if there is no such dispute
    """
    order = lock_order(payments.get_dispute(dispute_id).order_id)
    dispute = payment_locks.lock_dispute(dispute_id=dispute_id)

    assert dispute is not None  # noqa: S101 - disputes are never deleted
    if _read(get_evidence(dispute_id)) is not None:
        return True
    if _is_requested(dispute, now=now):
        return False

    change(dispute, events.DISPUTE_EVIDENCE_REQUESTED, {}, root=order.pk, actor=actor, now=now)

    return False


def render_evidence_pdf(*, dispute_id: UUID) -> None:
    """
    Render and keep the PDF of a dispute's evidence as it stands now; outside a transaction, as it writes a file.

    :raises DisputeNotFound: if there is no such dispute
    :raises CopyNotStored: if the disk refuses it
    """
    evidence = get_evidence(dispute_id)
    content = documents.render_evidence_document(evidence)
    copies.store_copy(_FOLDER, evidence.dispute.public_id, _fingerprint(evidence), content)


def evidence_name(evidence: Evidence) -> str:
    """Return the file name of an evidence pack."""
    return f"evidence-{evidence.order.number}.pdf"


def _read(evidence: Evidence) -> bytes | None:
    return copies.read_copy(_FOLDER, evidence.dispute.public_id, _fingerprint(evidence))


def _fingerprint(evidence: Evidence) -> str:
    return copies.fingerprint(documents.evidence_data(evidence))


def _is_requested(dispute: Any, *, now: datetime) -> bool:
    recent = find_recent_event(events.DISPUTE_EVIDENCE_REQUESTED, subject=dispute, since=now - RENDER_TIMEOUT)
    return recent is not None
