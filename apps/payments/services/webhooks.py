"""
The inbox of gateway webhooks: verified, kept word for word, answered at once, and understood later by a worker.

The event id is a header and outside the signature, so that an old body can come under a new id: the body's hash is as unique.
"""

import hashlib
import re
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.db import IntegrityError, transaction

from apps.core import clock
from apps.core.errors import Unauthenticated
from apps.core.events import gateway_actor, record, stored_fields
from apps.payments import events, locks, selectors
from apps.payments.gateways import Gateway, GatewayDispute, GatewayRefund, UnreadableFacts, get_gateway
from apps.payments.gateways.links import GatewayLink
from apps.payments.models import Webhook
from apps.payments.services.applying import (
    GatewayFactsContradict,
    NotOurPayment,
    apply_gateway_payment,
    report_contradiction,
)
from apps.payments.services.checking import request_check
from apps.payments.services.disputing import NotOurDispute, apply_gateway_dispute
from apps.payments.services.returning import NotOurRefund, apply_gateway_refund
from apps.payments.services.settling import request_settlement_import
from apps.payments.states import SUCCESSFUL, AttemptStatus, Source, WebhookOutcome

log = structlog.get_logger(__name__)

#: A worker normally has it within a second; what waits longer has lost its hint.
_WAITS_TOO_LONG = timedelta(seconds=45)
_EVENT_ID = re.compile(r"[\x21-\x7e]{1,80}")
_FACTS = ("gateway", "event_id", "body_sha256", "event_type", "received_at")


class WebhookNotSigned(Unauthenticated):
    message = "The signature of the webhook is not valid."


def receive_webhook(*, raw: bytes, signature: str, event_id: str, now: datetime, gateway: str = "razorpay") -> Webhook:
    """
    Keep a webhook that its gateway signed, or return the one that came before with its id or its body.

    :raises WebhookNotSigned: if it is signed by none of the secrets in force; then nothing is kept
    """
    adapter = get_gateway(gateway)
    if not signature or not adapter.is_webhook_signed(raw=raw, signature=signature):
        log.warning("webhook_signature_refused", gateway=gateway, bytes=len(raw), has_signature=bool(signature))
        raise WebhookNotSigned

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


def _insert(webhook: Webhook, *, now: datetime) -> Webhook:
    try:
        with transaction.atomic():
            webhook.save(force_insert=True)
            record(
                events.WEBHOOK_RECEIVED,
                subject=webhook,
                actor=gateway_actor(webhook.gateway),
                changed=stored_fields(webhook, *_FACTS),
                now=now,
            )
    except IntegrityError:
        earlier = selectors.find_webhook(
            gateway=webhook.gateway, event_id=webhook.event_id, body_sha256=webhook.body_sha256
        )
        if earlier is None:
            raise
        log.info("webhook_came_again", webhook=earlier.public_id)
        return earlier
    return webhook


@transaction.atomic
def process_webhook(*, webhook_id: UUID, now: datetime) -> None:
    """
    Take in what a kept webhook says, once. One that we do not follow, or that is about nothing of ours, is left with a reason.
    """
    webhook = locks.lock_waiting_webhook(webhook_id)

    if webhook is None:
        return

    outcome, reason = _take_in(webhook, now=now)
    webhook.processed_at = now
    webhook.outcome = outcome
    webhook.outcome_reason = reason[:200]
    webhook.save(update_fields=["processed_at", "outcome", "outcome_reason", "metadata", "updated_at"])


def _take_in(webhook: Webhook, *, now: datetime) -> tuple[WebhookOutcome, str]:
    try:
        event_type, facts = get_gateway(webhook.gateway).read_webhook(bytes(webhook.body))
    except UnreadableFacts as failure:
        log.error("webhook_unreadable", webhook=webhook.public_id, failure=str(failure))
        return WebhookOutcome.IGNORED, f"it cannot be read: {failure}"
    if facts is None and (day := get_gateway(webhook.gateway).find_settlement_day(bytes(webhook.body))):
        actor = gateway_actor(webhook.gateway)
        request_settlement_import(day=min(day, clock.ist_date(now)), actor=actor, now=now, gateway=webhook.gateway)
        return WebhookOutcome.PROCESSED, ""
    if facts is None:
        return WebhookOutcome.IGNORED, f"{event_type or 'no event'} is not followed"
    if isinstance(facts, GatewayRefund):
        return _take_in_refund(webhook, facts, now=now)
    if isinstance(facts, GatewayDispute):
        return _take_in_dispute(webhook, facts, now=now)
    if isinstance(facts, GatewayLink):
        return _take_in_link(webhook, facts, now=now)

    try:
        attempt = apply_gateway_payment(
            facts=facts, source=Source.WEBHOOK, actor=gateway_actor(webhook.gateway), now=now
        )
    except NotOurPayment:
        if facts.our_payment:
            # A gateway order of ours that we do not know of: this is the last that anybody hears of its money.
            log.error("money_by_another_gateway_order", webhook=webhook.public_id, payment=facts.our_payment)
        return WebhookOutcome.IGNORED, "no payment of ours has this gateway order"
    except GatewayFactsContradict as refusal:
        return _leave_to_staff(webhook, refusal, now=now)
    webhook.metadata = {"gateway_payment_id": attempt.gateway_payment_id}
    return WebhookOutcome.PROCESSED, ""


def _leave_to_staff(webhook: Webhook, refusal: GatewayFactsContradict, *, now: datetime) -> tuple[WebhookOutcome, str]:
    """Open an exception about a payment that cannot be booked; the webhook is never looked at again."""
    exception = report_contradiction(refusal, webhook=webhook, actor=gateway_actor(webhook.gateway), now=now)
    return WebhookOutcome.IGNORED, f"{refusal.why} Staff decide about it by {exception.public_id}."


def _take_in_refund(webhook: Webhook, facts: GatewayRefund, *, now: datetime) -> tuple[WebhookOutcome, str]:
    """
    Take in news of a refund. It may come before that of its own payment, which it then tells as well.

    What the gateway gives back without a capture was never in our books: that is news of the payment alone.
    """
    actor = gateway_actor(webhook.gateway)
    if facts.payment is not None:
        try:
            with transaction.atomic():
                attempt = apply_gateway_payment(facts=facts.payment, source=Source.WEBHOOK, actor=actor, now=now)
        except NotOurPayment:
            return WebhookOutcome.IGNORED, "no payment of ours has this gateway order"
        except GatewayFactsContradict as refusal:
            return _leave_to_staff(webhook, refusal, now=now)
        webhook.metadata = {"gateway_payment_id": attempt.gateway_payment_id}
        if attempt.status != AttemptStatus.CAPTURED:
            return WebhookOutcome.PROCESSED, "the payment was never captured"
    try:
        refund = apply_gateway_refund(facts=facts, source=Source.WEBHOOK, actor=actor, now=now)
    except NotOurRefund:
        return WebhookOutcome.IGNORED, "it gives back no captured payment of ours"
    webhook.metadata = {**webhook.metadata, "gateway_refund_id": refund.gateway_refund_id}
    return WebhookOutcome.PROCESSED, ""


def _take_in_dispute(webhook: Webhook, facts: GatewayDispute, *, now: datetime) -> tuple[WebhookOutcome, str]:
    """Take in news of a dispute, which may come before that of its own payment and then tells it as well."""
    actor = gateway_actor(webhook.gateway)
    try:
        with transaction.atomic():
            if facts.payment is not None:
                apply_gateway_payment(facts=facts.payment, source=Source.WEBHOOK, actor=actor, now=now)
            dispute = apply_gateway_dispute(facts=facts, source=Source.WEBHOOK, actor=actor, now=now)
    except (NotOurPayment, NotOurDispute):
        return WebhookOutcome.IGNORED, "it is about no captured payment of ours"
    except GatewayFactsContradict as refusal:
        return _leave_to_staff(webhook, refusal, now=now)
    webhook.metadata = {"gateway_dispute_id": dispute.gateway_dispute_id}
    return WebhookOutcome.PROCESSED, ""


def _take_in_link(webhook: Webhook, facts: GatewayLink, *, now: datetime) -> tuple[WebhookOutcome, str]:
    """Take in that a link or QR code was closed: no news of money, but a reason to ask, if we did not close it ourselves."""
    payment = selectors.find_payment_of_link(facts)
    if payment is None:
        return WebhookOutcome.IGNORED, "no payment of ours has this link or QR code"
    if payment.status in SUCCESSFUL:
        return WebhookOutcome.IGNORED, "the payment is paid"
    if payment.link_closed_at is not None:
        return WebhookOutcome.IGNORED, "that it is closed is known"
    request_check(payment_id=payment.pk, actor=gateway_actor(webhook.gateway), now=now)
    return WebhookOutcome.PROCESSED, "the gateway is asked"


def process_waiting_webhooks(*, now: datetime, limit: int = 200) -> int:
    """Process the webhooks whose worker never came, each by itself, and return how many were."""
    processed = 0
    for webhook_id in selectors.list_waiting_webhooks(before=now - _WAITS_TOO_LONG, limit=limit):
        try:
            process_webhook(webhook_id=webhook_id, now=now)
        except Exception:
            log.exception("webhook_not_processed", webhook=str(webhook_id))
        else:
            processed += 1
    return processed
