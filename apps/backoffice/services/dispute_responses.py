"""Submission of our response to a dispute, with the evidence for the payer's bank."""

from datetime import datetime
from uuid import UUID

from apps.backoffice import documents
from apps.backoffice.selectors.dispute_evidence import Evidence, get_evidence
from apps.backoffice.services.dispute_evidence import evidence_name
from apps.core.errors import BahiError
from apps.invoicing import selectors as invoicing
from apps.payments import selectors as payments
from apps.payments import services as money
from apps.payments.states import DisputeResponseKind, EvidenceKind


def submit_response_with_evidence(*, dispute_id: UUID, now: datetime) -> None:
    """Submit our response to a dispute; a contest includes the evidence pack, the tax invoice and every credit note."""
    dispute = payments.get_dispute(dispute_id)
    evidence_files = _evidence_files_of(dispute_id) if dispute.response == DisputeResponseKind.CONTESTED else []
    money.submit_dispute_response(dispute_id=dispute_id, evidence_files=evidence_files, now=now)


def _evidence_files_of(dispute_id: UUID) -> list[money.EvidenceFile]:
    evidence = get_evidence(dispute_id)
    parts = {
        "communication": evidence.messages,
        "access": evidence.log_ins,
        "refund": evidence.refunds,
        "shipping": [one for one in evidence.statements if one.kind == EvidenceKind.SHIPPING],
    }
    pack = money.EvidenceFile(
        kind="explanation",
        also=tuple(kind for kind, rows in parts.items() if rows),
        name=evidence_name(evidence),
        content=documents.render_evidence_document(evidence),
    )
    return [pack, *_load_invoice_files(evidence)]


def _load_invoice_files(evidence: Evidence) -> list[money.EvidenceFile]:
    evidence_files = []
    for invoice in evidence.documents:
        try:
            _, content = invoicing.get_invoice_pdf(invoice.pk)
        except BahiError:
            # A missing document must not make us miss the deadline with the others.
            continue
        evidence_files.append(
            money.EvidenceFile(kind="billing", name=f"{invoice.number.replace('/', '-')}.pdf", content=content)
        )
    return evidence_files
