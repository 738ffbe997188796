"""
Reads Razorpay's disputes, and builds the response to one.

https://razorpay.com/docs/api/disputes/
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from apps.payments.facts import GatewayDispute, UnreadableFacts, with_prefix
from apps.payments.gateways.interface import EvidenceFile
from apps.payments.gateways.razorpay.entities import (
    clean_text,
    contradiction_of,
    currency_of,
    payment_from,
)
from apps.payments.states import DisputePhase, DisputeStatus

NAME = "razorpay"
#: Webhooks of a dispute, which contain its payment.
FOLLOWED_DISPUTES = frozenset(
    f"payment.dispute.{action}" for action in ("created", "under_review", "action_required", "won", "lost", "closed")
)
#: Webhooks whose type names the status that the dispute must have.
_EVENTS = {f"payment.dispute.{end}": end for end in ("won", "lost", "closed")}
_EVIDENCE_FIELDS = {
    "billing": "billing_proof",
    "shipping": "shipping_proof",
    "explanation": "explanation_letter",
    "communication": "customer_communication",
    "access": "access_activity_log",
    "refund": "refund_confirmation",
}


def dispute_from(entity: Any, *, payment: Any = None, event_type: str = "") -> GatewayDispute:
    """
    Read a dispute; `payment` is the entity of its payment and `event_type` the type, if it came in a webhook.

    :raises UnreadableFacts: if it has no id, payment, amount, or known status and phase
    """
    if not isinstance(entity, dict):
        raise UnreadableFacts("not an object")
    status, phase = entity.get("status"), entity.get("phase")
    if status not in DisputeStatus.values or phase not in DisputePhase.values:
        raise UnreadableFacts(f"a dispute that is {str(status)[:40]!r} in {str(phase)[:40]!r}")
    amount, deducted = entity.get("amount"), entity.get("amount_deducted") or 0
    if not _is_paise(amount) or not _is_paise(deducted):
        raise UnreadableFacts("a dispute without amount")
    dispute_id, payment_id = with_prefix("disp", entity.get("id")), with_prefix("pay", entity.get("payment_id"))
    enclosed = payment_from(payment) if payment is not None else None
    return GatewayDispute(
        gateway=NAME,
        id=dispute_id,
        gateway_payment_id=payment_id,
        status=str(status),
        phase=str(phase),
        amount=int(amount or 0),
        amount_deducted=int(deducted or 0),
        currency=currency_of(entity),
        base_amount=entity["base_amount"] if _is_paise(entity.get("base_amount")) else None,
        base_currency=currency_of(entity, "base_currency"),
        reason_code=clean_text(entity.get("reason_code"))[:80],
        respond_by=_instant(entity.get("respond_by")),
        created_at=_instant(entity.get("created_at")),
        payment=enclosed,
        contradiction=contradiction_of(
            dispute_id,
            payment_id,
            status=str(status),
            event_type=event_type,
            must_be=_EVENTS.get(event_type, ""),
            enclosed=enclosed,
        ),
    )


def contest_body(*, amount: int, summary: str, evidence_files: Sequence[tuple[EvidenceFile, str]]) -> dict[str, Any]:
    """Return the request body that contests a dispute; each file is given with the id of its uploaded document."""
    body: dict[str, Any] = {"amount": amount, "summary": summary, "action": "submit"}
    others = []
    for proof, document_id in evidence_files:
        known = [_EVIDENCE_FIELDS[kind] for kind in (proof.kind, *proof.also) if kind in _EVIDENCE_FIELDS]
        for name in known:
            body.setdefault(name, []).append(document_id)
        if not known:
            others.append({"type": proof.name[:40], "document_ids": [document_id]})
    return {**body, "others": others} if others else body


def _is_paise(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 10**15


def _instant(value: Any) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 10**11:
        return None
    return datetime.fromtimestamp(value, UTC)
