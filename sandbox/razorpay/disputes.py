"""/v1/disputes and /v1/documents: a bank disputes a payment, and the merchant accepts or contests the dispute."""

from __future__ import annotations

from werkzeug.wrappers import Request

from sandbox.json_types import JsonObject
from sandbox.razorpay import refunds, validation, webhooks
from sandbox.razorpay.entities import EVIDENCE_KINDS, Dispute, Document, Payment
from sandbox.razorpay.errors import Refused
from sandbox.state import World

PHASES = ("fraud", "retrieval", "chargeback", "pre_arbitration", "arbitration")
OUTCOMES = ("won", "lost", "closed", "under_review", "action_required")
_FINAL = {"won", "lost", "closed"}
_MIME_TYPES = {"application/pdf", "image/jpeg", "image/jpg", "image/png"}
_LONGEST_SUMMARY = 1_000
_STEP = "dispute"


class DisputeDecided(Exception):
    """The dispute is over; the text says how it ended."""


def raise_dispute(
    world: World, payment: Payment, *, amount: int, phase: str, reason_code: str, respond_by: int, deduct: bool
) -> Dispute:
    """Open a dispute over a payment; `deduct` takes the money at once, as banks do in later phases."""
    dispute = Dispute(
        id=world.ids.razorpay("disp"),
        payment_id=payment.id,
        amount=amount,
        currency=payment.currency,
        created_at=world.clock.unix(),
        respond_by=respond_by,
        reason_code=reason_code,
        phase=phase,
    )
    world.razorpay.disputes[dispute.id] = dispute
    if deduct:
        _deduct(world, dispute)
    world.razorpay.timers.set(respond_by, "dispute_deadline", dispute.id)
    _emit_event(world, dispute, "created")
    return dispute


def decide_dispute(world: World, dispute: Dispute, *, outcome: str, respond_by: int | None = None) -> None:
    """
    Apply the bank's decision.

    `lost` deducts the amount, unless it is deducted already; `won` and `closed` return what was deducted.
    `action_required` opens the dispute again, with a new deadline if one is given.

    :raises DisputeDecided: if it is over already
    """
    if dispute.status in _FINAL:
        raise DisputeDecided(f"The dispute {dispute.id} is {dispute.status}.")
    if outcome == "action_required":
        dispute.status = "open"
        dispute.respond_by = respond_by or dispute.respond_by
        world.razorpay.timers.set(dispute.respond_by, "dispute_deadline", dispute.id)
    elif outcome == "lost":
        dispute.status = "lost"
        _deduct(world, dispute)
    elif outcome == "under_review":
        dispute.status = "under_review"
    else:
        dispute.status = "won" if outcome == "won" else "closed"
        _return_deducted(world, dispute)
    _emit_event(world, dispute, outcome)


def lose_unanswered_dispute(world: World, dispute_id: str) -> None:
    """Lose a dispute that nobody answered in time."""
    dispute = world.razorpay.disputes[dispute_id]
    if dispute.status == "open" and dispute.respond_by <= world.clock.now():
        decide_dispute(world, dispute, outcome="lost")


def _deduct(world: World, dispute: Dispute) -> None:
    if dispute.amount_deducted:
        return
    dispute.amount_deducted = dispute.amount
    payment = world.razorpay.payments[dispute.payment_id]
    refunds.adjust_balance(world, payment, -dispute.amount, f"Debit for dispute {dispute.id}", dispute.id)


def _return_deducted(world: World, dispute: Dispute) -> None:
    if not dispute.amount_deducted:
        return
    payment = world.razorpay.payments[dispute.payment_id]
    refunds.adjust_balance(world, payment, dispute.amount_deducted, f"Credit for dispute {dispute.id}", dispute.id)
    dispute.amount_deducted = 0


def _emit_event(world: World, dispute: Dispute, what: str) -> None:
    payment = world.razorpay.payments[dispute.payment_id]
    webhooks.emit_events(world, [webhooks.payment_event(f"payment.dispute.{what}", payment, dispute=dispute.to_wire())])


def fetch_dispute(world: World, _request: Request, dispute_id: str) -> JsonObject:
    return validation.find_entity(world.razorpay.disputes, dispute_id, "disp").to_wire()


def list_disputes(world: World, request: Request) -> JsonObject:
    found = validation.cut_page(request, reversed(world.razorpay.disputes.values()), extra={"expand[]"})
    return validation.as_collection([dispute.to_wire() for dispute in found])


def accept_dispute(world: World, _request: Request, dispute_id: str) -> JsonObject:
    dispute = _find_open(world, dispute_id)
    decide_dispute(world, dispute, outcome="lost")
    return dispute.to_wire()


def contest_dispute(world: World, request: Request, dispute_id: str) -> JsonObject:
    dispute = _find_open(world, dispute_id)
    body = validation.read_json(request)
    validation.refuse_extra_fields(body, {"amount", "summary", "others", "action", *EVIDENCE_KINDS})
    action = body.get("action", "draft")
    if action not in {"draft", "submit"}:
        raise Refused("The action must be draft or submit.", field="action", step=_STEP)
    evidence = {**dispute.evidence, **_read_evidence(world, dispute, body)}
    if action == "submit":
        _require_evidence(evidence)

    dispute.evidence = evidence
    world.notify_change()
    if action == "submit":
        dispute.evidence["submitted_at"] = world.clock.unix()
        decide_dispute(world, dispute, outcome="under_review")
    return dispute.to_wire()


def _find_open(world: World, dispute_id: str) -> Dispute:
    dispute = validation.find_entity(world.razorpay.disputes, dispute_id, "disp")
    if dispute.status != "open":
        raise Refused(f"Action not allowed when dispute is in {dispute.status} status", step=_STEP)
    return dispute


def _read_evidence(world: World, dispute: Dispute, body: JsonObject) -> JsonObject:
    """Return the evidence that a request adds or replaces."""
    found: JsonObject = {}
    if "amount" in body:
        found["amount"] = _read_contested_amount(dispute, body["amount"])
    if "summary" in body:
        found["summary"] = validation.read_text(body, "summary", longest=_LONGEST_SUMMARY)
    for name in EVIDENCE_KINDS:
        if name in body:
            _require_documents(world, body[name], name)
            found[name] = body[name]
    if body.get("others") is not None:
        _require_other_documents(world, body["others"])
        found["others"] = body["others"]
    return found


def _read_contested_amount(dispute: Dispute, amount: object) -> int:
    if isinstance(amount, bool) or not isinstance(amount, int) or not 0 < amount <= dispute.amount:
        raise Refused("The contest amount must be at most the amount of the dispute.", field="amount", step=_STEP)
    return amount


def _require_other_documents(world: World, others: object) -> None:
    for other in others if isinstance(others, list) else [None]:
        if not isinstance(other, dict) or not isinstance(other.get("type"), str):
            raise Refused("The others must be a list of types with their document ids.", field="others", step=_STEP)
        _require_documents(world, other.get("document_ids"), "others")


def _require_documents(world: World, ids: object, name: str) -> None:
    if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
        raise Refused(f"The {name} must be a list of document ids.", field=name, step=_STEP)
    for document_id in ids:
        validation.find_entity(world.razorpay.documents, document_id, "doc")


def _require_evidence(evidence: JsonObject) -> None:
    if not evidence.get("summary"):
        raise Refused("The summary field is required.", field="summary", step=_STEP)
    if not any(evidence.get(name) for name in (*EVIDENCE_KINDS, "others")):
        raise Refused("At least one document is required to contest the dispute.", step=_STEP)


def upload_document(world: World, request: Request) -> JsonObject:
    try:
        document = _read_document(world, request)
    finally:
        request.close()
    world.razorpay.documents[document.id] = document
    world.notify_change()
    return document.to_wire()


def _read_document(world: World, request: Request) -> Document:
    file = request.files.get("file")
    if file is None:
        raise Refused("The file field is required.", field="file", step=_STEP)
    if request.form.get("purpose") != "dispute_evidence":
        raise Refused("The purpose must be dispute_evidence.", field="purpose", step=_STEP)
    if file.mimetype not in _MIME_TYPES:
        raise Refused("The file must be a PDF, JPEG or PNG.", field="file", step=_STEP)
    return Document(
        id=world.ids.razorpay("doc"),
        purpose="dispute_evidence",
        name=file.filename or "file",
        mime_type=file.mimetype,
        size=len(file.read()),
        created_at=world.clock.unix(),
    )


def fetch_document(world: World, _request: Request, document_id: str) -> JsonObject:
    return validation.find_entity(world.razorpay.documents, document_id, "doc").to_wire()
