"""Disputes of payments, and the documents that a merchant answers them with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sandbox.json_types import JsonObject

EVIDENCE_KINDS = (
    "shipping_proof",
    "billing_proof",
    "cancellation_proof",
    "customer_communication",
    "proof_of_service",
    "explanation_letter",
    "refund_confirmation",
    "access_activity_log",
    "refund_cancellation_policy",
    "term_and_conditions",
)


@dataclass(kw_only=True)
class Dispute:
    """A dispute of a payment by the payer's bank; amounts in paise, times in Unix seconds."""

    id: str
    payment_id: str
    amount: int
    currency: str
    created_at: int
    respond_by: int
    reason_code: str
    phase: str
    status: Literal["open", "under_review", "won", "lost", "closed"] = "open"
    amount_deducted: int = 0
    evidence: JsonObject = field(default_factory=dict)

    def to_wire(self) -> JsonObject:
        evidence = {
            name: self.evidence.get(name) for name in ("amount", "summary", *EVIDENCE_KINDS, "others", "submitted_at")
        }
        evidence["amount"] = evidence["amount"] or self.amount
        return {
            "id": self.id,
            "entity": "dispute",
            "payment_id": self.payment_id,
            "amount": self.amount,
            "currency": self.currency,
            "amount_deducted": self.amount_deducted,
            "reason_code": self.reason_code,
            "respond_by": self.respond_by,
            "status": self.status,
            "phase": self.phase,
            "created_at": self.created_at,
            "evidence": evidence,
        }


@dataclass(kw_only=True)
class Document:
    """A file that a merchant uploaded; only its outside is kept."""

    id: str
    purpose: str
    name: str
    mime_type: str
    size: int
    created_at: int

    def to_wire(self) -> JsonObject:
        return {
            "id": self.id,
            "entity": "document",
            "purpose": self.purpose,
            "name": self.name,
            "mime_type": self.mime_type,
            "size": self.size,
            "created_at": self.created_at,
        }
