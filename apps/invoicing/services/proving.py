"""What we show to a bank that wants a payer's money back: the order's documents."""

from datetime import datetime
from uuid import UUID

from apps.core.errors import BahiError
from apps.invoicing import selectors
from apps.payments import selectors as payments
from apps.payments import services as money
from apps.payments.states import DisputeAnswer


def send_dispute_answer(*, dispute_id: UUID, now: datetime) -> None:
    """Tell the gateway our answer to a dispute; a contest takes the tax invoice and every credit note along, as PDF."""
    dispute = payments.get_dispute(dispute_id)
    proofs = _proofs_of(dispute.order_id) if dispute.answer == DisputeAnswer.CONTESTED else []
    money.send_dispute_answer(dispute_id=dispute_id, proofs=proofs, now=now)


def _proofs_of(order_id: UUID) -> list[money.Proof]:
    proofs = []
    for invoice in selectors.list_documents_of_order(order_id):
        try:
            _, content = selectors.get_document(invoice.pk)
        except BahiError:
            # A paper that is not there must not make us miss the deadline with those that are.
            continue
        proofs.append(money.Proof(kind="billing", name=f"{invoice.number.replace('/', '-')}.pdf", content=content))
    return proofs
