"""
Receipt of gateway webhooks: each is verified, stored verbatim, answered at once, and processed later by a worker.

The event id is a header that the signature does not cover, so an old body can arrive under a new id. The hash of the
body is therefore unique too.
"""

import hashlib
import re
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import DataError

from apps.core.errors import Conflict, Unauthenticated
from apps.core.events import SYSTEM, Actor, change, create_if_absent, gateway_actor
from apps.core.hot_path import hot_path
from apps.core.row_writes import update_row
from apps.core.security_log import log_security_event
from apps.core.transactions import atomic, transactional
from apps.ledger.states import ExceptionReason
from apps.payments import events, locks, messages, rules
from apps.payments.facts import (
    GatewayDispute,
    GatewayDowntime,
    GatewayLink,
    GatewayPayment,
    GatewayRefund,
    UnreadableFacts,
    WebhookEnvelope,
    WebhookFacts,
)
from apps.payments.gateways.interface import Gateway, load_adapter
from apps.payments.models import Webhook
from apps.payments.selectors import payments, webhooks
from apps.payments.services.attempts import (
    PaymentFactsConflict,
    UnknownGatewayPayment,
    apply_gateway_payment,
    report_contradiction,
)
from apps.payments.services.disputes.gateway_updates import (
    DisputeFactsConflict,
    UnknownGatewayDispute,
    apply_gateway_dispute,
)
from apps.payments.services.downtimes import apply_reported_downtime
from apps.payments.services.gateway_exceptions import open_gateway_exception
from apps.payments.services.polling import request_payment_sync
from apps.payments.services.refunds.gateway_updates import (
    RefundFactsConflict,
    UnknownGatewayRefund,
    apply_gateway_refund,
)
from apps.payments.states import SUCCESSFUL, AttemptStatus, Source, WebhookOutcome

log = structlog.get_logger(__name__)

#: A worker normally processes a webhook within a second; after this the sweep does.
_SWEEP_AFTER = timedelta(seconds=45)
_EVENT_ID = re.compile(r"[\x21-\x7e]{1,80}")


class InvalidWebhookSignature(Unauthenticated):
    """The signature of a webhook is missing or made with another secret. Compare the secrets here and at the gateway."""

    message = "The signature of the webhook is not valid."


class WebhookNotParked(Conflict):
    """Only a parked webhook can be processed again, and this one is not parked. Reload the page."""

    message = "Webhook {0} is not parked; it was processed, or will be."


class ProcessCrashed(Exception):
    """An attempt began, and its outcome was never recorded."""


@hot_path("payments.receive_webhook")
def receive_webhook(*, raw: bytes, signature: str, event_id: str, now: datetime, gateway: str = "razorpay") -> Webhook:
    """
    Store a webhook that its gateway signed, or return the earlier one with the same id or body.

    :raises InvalidWebhookSignature: if it is signed with none of the secrets in force; then nothing is stored
    """
    adapter = load_adapter(gateway)
    if not signature or not adapter.is_webhook_signed(raw=raw, signature=signature):
        log_security_event("webhook_signature_invalid", gateway=gateway, bytes=len(raw), has_signature=bool(signature))
        raise InvalidWebhookSignature

    body_sha256 = hashlib.sha256(raw).hexdigest()
    webhook = Webhook(
        gateway=gateway,
        event_id=event_id if _EVENT_ID.fullmatch(event_id) else f"body:{body_sha256}",
        body_sha256=body_sha256,
        body=raw,
        event_type=_type_of(adapter, raw),
        received_at=now,
    )
    return _insert(webhook, now=now)


def _type_of(adapter: Gateway, raw: bytes) -> str:
    try:
        return adapter.read_webhook(raw)[0][:60]
    except UnreadableFacts:
        return ""


@transactional
def _insert(webhook: Webhook, *, now: datetime) -> Webhook:
    if create_if_absent(webhook, events.WEBHOOK_RECEIVED, actor=gateway_actor(webhook.gateway), now=now) is not None:
        return webhook

    earlier = webhooks.find_webhook(gateway=webhook.gateway, event_id=webhook.event_id, body_sha256=webhook.body_sha256)
    assert earlier is not None  # noqa: S101 - it is what refused the new one, and webhooks are never deleted
    log.info("webhook_duplicate", webhook=earlier.public_id)
    return earlier


@hot_path("payments.process_webhook")
@transactional
def process_webhook(*, webhook_id: UUID, now: datetime) -> None:
    """
    Process a stored webhook, once.

    A webhook is ignored, with a reason, if its type is not used, if it concerns nothing in Bahi, or if it fails our
    checks. If processing fails, the sweep retries it with growing delays, and it is parked for staff after the last
    attempt.
    """
    webhook = locks.lock_unprocessed_webhook(webhook_id)

    if webhook is None:
        return

    try:
        with atomic():
            outcome, reason = _apply(webhook, now=now)
    except DataError as failure:
        # A retry cannot succeed: the database will never be able to store this data.
        outcome, reason = WebhookOutcome.IGNORED, f"it cannot be stored: {failure}"
        log.exception("webhook_unprocessable", webhook=webhook.public_id)
        _open_failure_exception(webhook, attempts=1, error=failure, now=now)
    except Exception as failure:
        log.exception("webhook_processing_failed", webhook=webhook.public_id)
        _record_failure(webhook, failure, now=now)
        return

    webhook.processed_at = now
    webhook.outcome = outcome
    webhook.outcome_reason = reason[:200]
    update_row(webhook, "processed_at", "outcome", "outcome_reason", "metadata")


def _record_failure(webhook: Webhook, error: Exception, *, now: datetime) -> None:
    """Count a failed attempt and schedule the next one; after the last one park the webhook for staff."""
    # The sweep counts its attempt before it begins, and schedules the next one then.
    is_counted = webhook.next_attempt_at is not None and webhook.next_attempt_at > now
    webhook.attempts += 0 if is_counted else 1
    webhook.last_error = f"{type(error).__name__}: {error}".replace("\x00", "")[:300]
    webhook.next_attempt_at = rules.next_webhook_attempt(attempts=webhook.attempts, now=now)
    if webhook.next_attempt_at is None:
        webhook.parked_at = now
        _open_failure_exception(webhook, attempts=webhook.attempts, error=error, now=now)
    update_row(webhook, "attempts", "last_error", "next_attempt_at", "parked_at")


def _open_failure_exception(webhook: Webhook, *, attempts: int, error: Exception, now: datetime) -> None:
    open_gateway_exception(
        gateway=webhook.gateway,
        reason=ExceptionReason.WEBHOOK_FAILED,
        entity_id=webhook.public_id,
        description=messages.webhook_parked(webhook.event_type, attempts, type(error).__name__),
        webhook=webhook,
        actor=SYSTEM,
        now=now,
    )


def _apply(webhook: Webhook, *, now: datetime) -> tuple[WebhookOutcome, str]:
    gateway, raw = load_adapter(webhook.gateway), bytes(webhook.body)
    envelope = gateway.read_envelope(raw)
    try:
        event_type, facts = gateway.read_webhook(raw)
    except UnreadableFacts as failure:
        log.error("webhook_unreadable", webhook=webhook.public_id, failure=str(failure))
        why = messages.webhook_unreadable(envelope.event_type, str(failure))
        _open_exception(webhook, envelope, ExceptionReason.UNREADABLE_FACTS, why, now=now)
        return WebhookOutcome.IGNORED, f"it cannot be read: {failure}"
    if not isinstance(facts, GatewayPayment) and not gateway.may_be_our_account(envelope.account_id):
        # A payment's facts name its account themselves: money captured for our order is shown with that order.
        why = messages.webhook_of_another_account(envelope.event_type, envelope.account_id)
        _open_exception(webhook, envelope, ExceptionReason.ACCOUNT_MISMATCH, why, now=now)
        return WebhookOutcome.IGNORED, why
    if facts is None and gateway.find_settlement_day(raw):
        actor = gateway_actor(webhook.gateway)
        change(webhook, events.SETTLEMENT_REPORTED, {}, actor=actor, now=now)
        return WebhookOutcome.PROCESSED, ""
    if facts is None:
        return WebhookOutcome.IGNORED, f"{event_type or 'no event'} is not processed by Bahi"
    return _apply_facts(webhook, facts, now=now)


def _apply_facts(webhook: Webhook, facts: WebhookFacts, *, now: datetime) -> tuple[WebhookOutcome, str]:
    match facts:
        case GatewayRefund():
            return _apply_refund(webhook, facts, now=now)
        case GatewayDispute():
            return _apply_dispute(webhook, facts, now=now)
        case GatewayLink():
            return _apply_link(webhook, facts, now=now)
        case GatewayDowntime():
            conflict = apply_reported_downtime(facts, now=now)
            return (WebhookOutcome.IGNORED, conflict) if conflict else (WebhookOutcome.PROCESSED, "")
        case GatewayPayment():
            return _apply_payment(webhook, facts, now=now)


def _apply_payment(webhook: Webhook, facts: GatewayPayment, *, now: datetime) -> tuple[WebhookOutcome, str]:
    try:
        attempt = apply_gateway_payment(
            facts=facts, source=Source.WEBHOOK, actor=gateway_actor(webhook.gateway), now=now
        )
    except UnknownGatewayPayment:
        if facts.our_payment:
            # The payment names ours, but not a gateway order that we know: nothing else will report its money.
            log.error("unknown_gateway_order_paid", webhook=webhook.public_id, payment=facts.our_payment)
            _report_unknown_order(webhook, facts, now=now)
        return WebhookOutcome.IGNORED, "no payment in Bahi has this gateway order"
    except PaymentFactsConflict as refusal:
        return _open_contradiction(webhook, refusal, now=now)
    webhook.metadata = {"gateway_payment_id": attempt.gateway_payment_id}
    return WebhookOutcome.PROCESSED, ""


def _report_unknown_order(webhook: Webhook, facts: GatewayPayment, *, now: datetime) -> None:
    """Open an exception about captured money whose notes name one of our payments, but whose gateway order is not ours."""
    is_ours = load_adapter(webhook.gateway).may_be_our_account(facts.account_id)
    payment = payments.find_payment_by_public_id(facts.our_payment)
    if payment is None or not is_ours or facts.status != AttemptStatus.CAPTURED:
        return
    open_gateway_exception(
        gateway=webhook.gateway,
        reason=ExceptionReason.UNKNOWN_PAYMENT,
        entity_id=facts.id,
        description=messages.unknown_gateway_order_paid(facts.id, payment.order.number, facts.order_id),
        actual_amount=facts.amount,
        currency=facts.currency,
        webhook=webhook,
        actor=gateway_actor(webhook.gateway),
        now=now,
    )


def _open_contradiction(
    webhook: Webhook, refusal: PaymentFactsConflict, *, now: datetime
) -> tuple[WebhookOutcome, str]:
    """Open an exception about a payment that cannot be booked; the webhook is not processed again."""
    exception = report_contradiction(refusal, webhook=webhook, actor=gateway_actor(webhook.gateway), now=now)
    return WebhookOutcome.IGNORED, f"{refusal.why} Staff decide about it in exception {exception.public_id}."


def _open_exception(
    webhook: Webhook, envelope: WebhookEnvelope, reason: ExceptionReason, why: str, *, now: datetime
) -> None:
    """
    Open an exception about a webhook that failed our checks, if it concerns a payment in Bahi.

    Other webhooks, such as those of another shop's account with the same secret, do not concern our books.
    """
    attempt = payments.find_attempt(gateway=webhook.gateway, gateway_payment_id=envelope.gateway_payment_id)
    if attempt is None and not payments.is_gateway_order_known(envelope.gateway_order_id):
        return
    open_gateway_exception(
        gateway=webhook.gateway,
        reason=reason,
        entity_id=envelope.entity_id or webhook.public_id,
        description=why,
        currency=attempt.currency if attempt else "INR",
        attempt=attempt,
        webhook=webhook,
        actor=gateway_actor(webhook.gateway),
        now=now,
    )


def _apply_refund(webhook: Webhook, facts: GatewayRefund, *, now: datetime) -> tuple[WebhookOutcome, str]:
    """
    Apply a webhook about a refund, and first the payment that it carries, whose own webhook may arrive later.

    A refund of a payment that was never captured is not in our books: only the payment is updated.
    """
    actor = gateway_actor(webhook.gateway)
    if facts.payment is not None and not facts.contradiction:
        try:
            attempt = apply_gateway_payment(facts=facts.payment, source=Source.WEBHOOK, actor=actor, now=now)
        except UnknownGatewayPayment:
            return WebhookOutcome.IGNORED, "no payment in Bahi has this gateway order"
        except PaymentFactsConflict as refusal:
            return _open_contradiction(webhook, refusal, now=now)
        webhook.metadata = {"gateway_payment_id": attempt.gateway_payment_id}
        if attempt.status != AttemptStatus.CAPTURED:
            return WebhookOutcome.PROCESSED, "the payment was never captured"
    try:
        refund = apply_gateway_refund(facts=facts, actor=actor, now=now, webhook=webhook)
    except RefundFactsConflict as conflict:
        return WebhookOutcome.IGNORED, str(conflict)
    except UnknownGatewayRefund:
        return WebhookOutcome.IGNORED, "it refunds no captured payment in Bahi"
    webhook.metadata = {**webhook.metadata, "gateway_refund_id": refund.gateway_refund_id}
    return WebhookOutcome.PROCESSED, ""


def _apply_dispute(webhook: Webhook, facts: GatewayDispute, *, now: datetime) -> tuple[WebhookOutcome, str]:
    """Apply a webhook about a dispute, and first the payment that it carries, whose own webhook may arrive later."""
    actor = gateway_actor(webhook.gateway)
    try:
        if facts.payment is not None and not facts.contradiction:
            apply_gateway_payment(facts=facts.payment, source=Source.WEBHOOK, actor=actor, now=now)
        dispute = apply_gateway_dispute(facts=facts, source=Source.WEBHOOK, actor=actor, now=now, webhook=webhook)
    except DisputeFactsConflict as conflict:
        return WebhookOutcome.IGNORED, str(conflict)
    except (UnknownGatewayPayment, UnknownGatewayDispute):
        return WebhookOutcome.IGNORED, "it is about no captured payment in Bahi"
    except PaymentFactsConflict as refusal:
        return _open_contradiction(webhook, refusal, now=now)
    webhook.metadata = {"gateway_dispute_id": dispute.gateway_dispute_id}
    return WebhookOutcome.PROCESSED, ""


def _apply_link(webhook: Webhook, facts: GatewayLink, *, now: datetime) -> tuple[WebhookOutcome, str]:
    """Have the payment of a link or QR code polled after it was closed, unless it is paid or known to be closed."""
    payment = payments.find_payment_of_link(facts)
    if payment is None:
        return WebhookOutcome.IGNORED, "no payment in Bahi has this link or QR code"
    if payment.status in SUCCESSFUL:
        return WebhookOutcome.IGNORED, "the payment is paid"
    if payment.link_closed_at is not None:
        return WebhookOutcome.IGNORED, "it is already closed"
    request_payment_sync(payment_id=payment.pk, actor=gateway_actor(webhook.gateway), now=now)
    return WebhookOutcome.PROCESSED, "the gateway is asked"


def sweep_webhooks(*, now: datetime, limit: int = 200) -> int:
    """
    Process the webhooks that no worker has processed, each in its own transaction, and return how many were processed.

    Each attempt is counted and committed before it begins, so that attempts that crash the process are limited too.
    """
    waiting = webhooks.list_unprocessed_webhooks(before=now - _SWEEP_AFTER, now=now, limit=limit)
    for webhook_id in waiting:
        try:
            if _start_attempt(webhook_id, now=now):
                process_webhook(webhook_id=webhook_id, now=now)
        except Exception:
            log.exception("webhook_processing_failed", webhook=str(webhook_id))
    return webhooks.count_processed_webhooks(waiting)


@transactional
def _start_attempt(webhook_id: UUID, *, now: datetime) -> bool:
    """Count the attempt that is about to begin, and return whether it may; after the last one park the webhook."""
    webhook = locks.lock_unprocessed_webhook(webhook_id)
    if webhook is None:
        return False

    if rules.next_webhook_attempt(attempts=webhook.attempts, now=now) is None:
        # The last attempt began, and its outcome was never recorded.
        webhook.next_attempt_at = now + _SWEEP_AFTER
        _record_failure(webhook, ProcessCrashed("the process ended in the last attempt"), now=now)
        return False

    webhook.attempts += 1
    webhook.next_attempt_at = rules.next_webhook_attempt(attempts=webhook.attempts, now=now) or now + _SWEEP_AFTER
    update_row(webhook, "attempts", "next_attempt_at")
    return True


@transactional
def retry_webhook(*, webhook_id: UUID, actor: Actor, now: datetime) -> Webhook:
    """
    Request that a worker processes a parked webhook again, with six new attempts.

    :raises WebhookNotFound: if there is none
    :raises WebhookNotParked: if it was processed, or waits to be
    """
    webhook = locks.lock_webhook(webhook_id)

    if webhook.parked_at is None:
        raise WebhookNotParked(webhook.public_id)

    again = {"attempts": 0, "parked_at": None, "next_attempt_at": now}
    change(webhook, events.WEBHOOK_RETRY_REQUESTED, again, actor=actor, now=now)

    return webhook
