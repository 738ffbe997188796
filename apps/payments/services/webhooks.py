"""
The inbox of gateway webhooks: verified, kept word for word, answered at once, and parse_response later by a worker.

The event id is a header and outside the signature, so that an old body can come under a new id: the body's hash is as unique.
"""

import hashlib
import re
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import DataError, IntegrityError, transaction

from apps.core import clock
from apps.core.errors import Conflict, Unauthenticated
from apps.core.events import SYSTEM, Actor, gateway_actor, record, stored_fields
from apps.core.security_log import log_security_event
from apps.payments import events, locks, messages, rules, selectors
from apps.payments.facts import WebhookEnvelope
from apps.payments.gateways import (
    Gateway,
    GatewayDispute,
    GatewayPayment,
    GatewayRefund,
    UnreadableFacts,
    get_gateway,
)
from apps.payments.gateways.payment_links import GatewayLink
from apps.payments.models import Webhook
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
from apps.payments.services.gateway_exceptions import open_gateway_exception
from apps.payments.services.polling import request_payment_sync
from apps.payments.services.refunds.gateway_updates import (
    RefundFactsConflict,
    UnknownGatewayRefund,
    apply_gateway_refund,
)
from apps.payments.services.settlements.report_imports import request_settlement_import
from apps.payments.states import SUCCESSFUL, AttemptStatus, ExceptionReason, Source, WebhookOutcome

log = structlog.get_logger(__name__)

#: A worker normally has it within a second; what waits longer has lost its hint.
_SWEEP_AFTER = timedelta(seconds=45)
_EVENT_ID = re.compile(r"[\x21-\x7e]{1,80}")
_FACTS = ("gateway", "event_id", "body_sha256", "event_type", "received_at")


class InvalidWebhookSignature(Unauthenticated):
    message = "The signature of the webhook is not valid."


class WebhookNotParked(Conflict):
    message = "Webhook {0} is not parked; it was processed, or will be."


class ProcessCrashed(Exception):
    """An attempt began, and no end of it was recorded."""


def receive_webhook(*, raw: bytes, signature: str, event_id: str, now: datetime, gateway: str = "razorpay") -> Webhook:
    """
    Keep a webhook that its gateway signed, or return the one that came before with its id or its body.

    :raises InvalidWebhookSignature: if it is signed by none of the secrets in force; then nothing is kept
    """
    adapter = get_gateway(gateway)
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
        created_at=now,
    )
    return _insert(webhook, now=now)


def _type_of(adapter: Gateway, raw: bytes) -> str:
    try:
        return adapter.read_webhook(raw)[0][:60]
    except UnreadableFacts:
        return ""


def _insert(webhook: Webhook, *, now: datetime) -> Webhook:
    try:
        with transaction.atomic():
            webhook.save(force_insert=True)
            record(
                events.WEBHOOK_RECEIVED,
                subject=webhook,
                actor=gateway_actor(webhook.gateway),
                changes=stored_fields(webhook, *_FACTS),
                now=now,
            )
    except IntegrityError:
        earlier = selectors.find_webhook(
            gateway=webhook.gateway, event_id=webhook.event_id, body_sha256=webhook.body_sha256
        )
        if earlier is None:
            raise
        log.info("webhook_duplicate", webhook=earlier.public_id)
        return earlier
    return webhook


@transaction.atomic
def process_webhook(*, webhook_id: UUID, now: datetime) -> None:
    """
    Apply what a kept webhook says, once.

    One of a type that we do not use, about nothing of ours or that fails our checks is ignored with a reason. One that
    cannot be processed is left for the sweep, which attempts it again after growing waits, and parked for staff after the
    last attempt.
    """
    webhook = locks.lock_unprocessed_webhook(webhook_id)

    if webhook is None:
        return

    try:
        with transaction.atomic():
            outcome, reason = _apply(webhook, now=now)
    except DataError as failure:
        # What the database cannot store today it cannot store tomorrow.
        outcome, reason = WebhookOutcome.IGNORED, f"it can never be stored: {failure}"
        log.exception("webhook_unprocessable", webhook=webhook.public_id)
        _open_failure_exception(webhook, attempts=1, error=failure, now=now)
    except Exception as failure:
        log.exception("webhook_processing_failed", webhook=webhook.public_id)
        _record_failure(webhook, failure, now=now)
        return

    webhook.processed_at = now
    webhook.outcome = outcome
    webhook.outcome_reason = reason[:200]
    webhook.save(update_fields=["processed_at", "outcome", "outcome_reason", "metadata", "updated_at"])


def _record_failure(webhook: Webhook, error: Exception, *, now: datetime) -> None:
    """Count an attempt that failed, and say when the next one is; after the last one park the webhook for staff."""
    # The sweep has counted its attempt before it began, and put the next one into the future.
    is_counted = webhook.next_attempt_at is not None and webhook.next_attempt_at > now
    webhook.attempts += 0 if is_counted else 1
    webhook.last_error = f"{type(error).__name__}: {error}".replace("\x00", "")[:300]
    webhook.next_attempt_at = rules.next_webhook_attempt(attempts=webhook.attempts, now=now)
    if webhook.next_attempt_at is None:
        webhook.parked_at = now
        _open_failure_exception(webhook, attempts=webhook.attempts, error=error, now=now)
    webhook.save(update_fields=["attempts", "last_error", "next_attempt_at", "parked_at", "updated_at"])


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
    gateway, raw = get_gateway(webhook.gateway), bytes(webhook.body)
    envelope = gateway.read_envelope(raw)
    try:
        event_type, facts = gateway.read_webhook(raw)
    except UnreadableFacts as failure:
        log.error("webhook_unreadable", webhook=webhook.public_id, failure=str(failure))
        why = messages.webhook_unreadable(envelope.event_type, str(failure))
        _open_exception(webhook, envelope, ExceptionReason.UNREADABLE_FACTS, why, now=now)
        return WebhookOutcome.IGNORED, f"it cannot be read: {failure}"
    if not isinstance(facts, GatewayPayment) and not gateway.is_our_account(envelope.account_id):
        # Of a payment its own facts name the account: what was captured for an order of ours is shown with that order.
        why = messages.webhook_of_another_account(envelope.event_type, envelope.account_id)
        _open_exception(webhook, envelope, ExceptionReason.ACCOUNT_MISMATCH, why, now=now)
        return WebhookOutcome.IGNORED, why
    if facts is None and (day := gateway.find_settlement_day(raw)):
        actor = gateway_actor(webhook.gateway)
        request_settlement_import(day=min(day, clock.ist_date(now)), actor=actor, now=now, gateway=webhook.gateway)
        return WebhookOutcome.PROCESSED, ""
    if facts is None:
        return WebhookOutcome.IGNORED, f"{event_type or 'no event'} is not followed"
    if isinstance(facts, GatewayRefund):
        return _apply_refund(webhook, facts, now=now)
    if isinstance(facts, GatewayDispute):
        return _apply_dispute(webhook, facts, now=now)
    if isinstance(facts, GatewayLink):
        return _apply_link(webhook, facts, now=now)

    try:
        attempt = apply_gateway_payment(
            facts=facts, source=Source.WEBHOOK, actor=gateway_actor(webhook.gateway), now=now
        )
    except UnknownGatewayPayment:
        if facts.our_payment:
            # A gateway order of ours that we do not know of: this is the last that anybody hears of its money.
            log.error("unknown_gateway_order_paid", webhook=webhook.public_id, payment=facts.our_payment)
        return WebhookOutcome.IGNORED, "no payment of ours has this gateway order"
    except PaymentFactsConflict as refusal:
        return _open_contradiction(webhook, refusal, now=now)
    webhook.metadata = {"gateway_payment_id": attempt.gateway_payment_id}
    return WebhookOutcome.PROCESSED, ""


def _open_contradiction(
    webhook: Webhook, refusal: PaymentFactsConflict, *, now: datetime
) -> tuple[WebhookOutcome, str]:
    """Open an exception about a payment that cannot be booked; the webhook is never looked at again."""
    exception = report_contradiction(refusal, webhook=webhook, actor=gateway_actor(webhook.gateway), now=now)
    return WebhookOutcome.IGNORED, f"{refusal.why} Staff decide about it by {exception.public_id}."


def _open_exception(
    webhook: Webhook, envelope: WebhookEnvelope, reason: ExceptionReason, why: str, *, now: datetime
) -> None:
    """
    Open an exception about a webhook that failed our checks, if it is about a payment of ours.

    Whatever else our secret signs, such as webhooks of another shop's account with the same secret, does not concern our books.
    """
    attempt = selectors.find_attempt(gateway=webhook.gateway, gateway_payment_id=envelope.gateway_payment_id)
    if attempt is None and not selectors.is_gateway_order_known(envelope.gateway_order_id):
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
    Take in news of a refund. It may come before that of its own payment, which it then tells as well.

    What the gateway gives back without a capture was never in our books: that is news of the payment alone.
    """
    actor = gateway_actor(webhook.gateway)
    if facts.payment is not None and not facts.contradiction:
        try:
            with transaction.atomic():
                attempt = apply_gateway_payment(facts=facts.payment, source=Source.WEBHOOK, actor=actor, now=now)
        except UnknownGatewayPayment:
            return WebhookOutcome.IGNORED, "no payment of ours has this gateway order"
        except PaymentFactsConflict as refusal:
            return _open_contradiction(webhook, refusal, now=now)
        webhook.metadata = {"gateway_payment_id": attempt.gateway_payment_id}
        if attempt.status != AttemptStatus.CAPTURED:
            return WebhookOutcome.PROCESSED, "the payment was never captured"
    try:
        refund = apply_gateway_refund(facts=facts, source=Source.WEBHOOK, actor=actor, now=now, webhook=webhook)
    except RefundFactsConflict as conflict:
        return WebhookOutcome.IGNORED, str(conflict)
    except UnknownGatewayRefund:
        return WebhookOutcome.IGNORED, "it gives back no captured payment of ours"
    webhook.metadata = {**webhook.metadata, "gateway_refund_id": refund.gateway_refund_id}
    return WebhookOutcome.PROCESSED, ""


def _apply_dispute(webhook: Webhook, facts: GatewayDispute, *, now: datetime) -> tuple[WebhookOutcome, str]:
    """Take in news of a dispute, which may come before that of its own payment and then tells it as well."""
    actor = gateway_actor(webhook.gateway)
    try:
        if facts.payment is not None and not facts.contradiction:
            apply_gateway_payment(facts=facts.payment, source=Source.WEBHOOK, actor=actor, now=now)
        dispute = apply_gateway_dispute(facts=facts, source=Source.WEBHOOK, actor=actor, now=now, webhook=webhook)
    except DisputeFactsConflict as conflict:
        return WebhookOutcome.IGNORED, str(conflict)
    except (UnknownGatewayPayment, UnknownGatewayDispute):
        return WebhookOutcome.IGNORED, "it is about no captured payment of ours"
    except PaymentFactsConflict as refusal:
        return _open_contradiction(webhook, refusal, now=now)
    webhook.metadata = {"gateway_dispute_id": dispute.gateway_dispute_id}
    return WebhookOutcome.PROCESSED, ""


def _apply_link(webhook: Webhook, facts: GatewayLink, *, now: datetime) -> tuple[WebhookOutcome, str]:
    """Take in that a link or QR code was closed: no news of money, but a reason to ask, if we did not close it ourselves."""
    payment = selectors.find_payment_of_link(facts)
    if payment is None:
        return WebhookOutcome.IGNORED, "no payment of ours has this link or QR code"
    if payment.status in SUCCESSFUL:
        return WebhookOutcome.IGNORED, "the payment is paid"
    if payment.link_closed_at is not None:
        return WebhookOutcome.IGNORED, "that it is closed is known"
    request_payment_sync(payment_id=payment.pk, actor=gateway_actor(webhook.gateway), now=now)
    return WebhookOutcome.PROCESSED, "the gateway is asked"


def sweep_webhooks(*, now: datetime, limit: int = 200) -> int:
    """
    Process the webhooks that no worker has processed, each on its own, and return how many were.

    Each attempt is counted and committed before it begins: one that ends the process with it is bounded too.
    """
    waiting = selectors.list_unprocessed_webhooks(before=now - _SWEEP_AFTER, now=now, limit=limit)
    for webhook_id in waiting:
        try:
            if _start_attempt(webhook_id, now=now):
                process_webhook(webhook_id=webhook_id, now=now)
        except Exception:
            log.exception("webhook_processing_failed", webhook=str(webhook_id))
    return selectors.count_processed_webhooks(waiting)


@transaction.atomic
def _start_attempt(webhook_id: UUID, *, now: datetime) -> bool:
    """Count the attempt that is about to begin, and return whether it may; what has had its last one is parked."""
    webhook = locks.lock_unprocessed_webhook(webhook_id)
    if webhook is None:
        return False

    if rules.next_webhook_attempt(attempts=webhook.attempts, now=now) is None:
        # The last attempt began and never ended.
        webhook.next_attempt_at = now + _SWEEP_AFTER
        _record_failure(webhook, ProcessCrashed("the process ended in the last attempt"), now=now)
        return False

    webhook.attempts += 1
    webhook.next_attempt_at = rules.next_webhook_attempt(attempts=webhook.attempts, now=now) or now + _SWEEP_AFTER
    webhook.save(update_fields=["attempts", "next_attempt_at", "updated_at"])
    return True


@transaction.atomic
def retry_webhook(*, webhook_id: UUID, actor: Actor, now: datetime) -> Webhook:
    """
    Have a parked webhook processed again by the next sweep, with six new attempts.

    :raises WebhookNotFound: if there is none
    :raises WebhookNotParked: if it was processed, or waits to be
    """
    webhook = locks.lock_webhook(webhook_id)

    if webhook.parked_at is None:
        raise WebhookNotParked(webhook.public_id)

    webhook.attempts, webhook.parked_at, webhook.next_attempt_at = 0, None, now
    webhook.save(update_fields=["attempts", "parked_at", "next_attempt_at", "updated_at"])

    record(events.WEBHOOK_RETRY_REQUESTED, subject=webhook, actor=actor, changes={}, now=now)

    return webhook
