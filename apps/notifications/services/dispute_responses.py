"""What we show to a bank that wants a payer's money back."""

from datetime import datetime
from uuid import UUID

from apps.core.errors import BahiError
from apps.invoicing import selectors as invoicing
from apps.notifications import documents, selectors
from apps.notifications.services.dispute_evidence import evidence_name
from apps.payments import selectors as payments
from apps.payments import services as money
from apps.payments.states import DisputeAnswer, ProofKind


def send_dispute_answer(*, dispute_id: UUID, now: datetime) -> None:
    """Tell the gateway our answer to a dispute; with a contest go the evidence pack, the tax invoice and every credit note."""
    dispute = payments.get_dispute(dispute_id)
    proofs = _proofs_of(dispute_id) if dispute.answer == DisputeAnswer.CONTESTED else []
    money.send_dispute_answer(dispute_id=dispute_id, proofs=proofs, now=now)


def _proofs_of(dispute_id: UUID) -> list[money.Proof]:
    evidence = selectors.get_evidence(dispute_id)
    parts = {
        "communication": evidence.messages,
        "access": evidence.log_ins,
        "refund": evidence.refunds,
        "shipping": [one for one in evidence.statements if one.kind == ProofKind.SHIPPING],
    }
    pack = money.Proof(
        kind="explanation",
        also=tuple(kind for kind, rows in parts.items() if rows),
        name=evidence_name(evidence),
        content=documents.draw_evidence(evidence),
    )
    return [pack, *_papers_of(evidence)]


def _papers_of(evidence: selectors.Evidence) -> list[money.Proof]:
    proofs = []
    for invoice in evidence.documents:
        try:
            _, content = invoicing.get_document(invoice.pk)
        except BahiError:
            # A paper that is not there must not make us miss the deadline with those that are.
            continue
        proofs.append(money.Proof(kind="billing", name=f"{invoice.number.replace('/', '-')}.pdf", content=content))
    return proofs
