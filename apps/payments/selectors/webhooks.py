"""Queries of received webhooks, and of changes that no webhook reported."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q

from apps.core import ids
from apps.payments.models import Dispute, PaymentAttempt, Refund, Webhook, WebhookNotFound
from apps.payments.states import AttemptStatus, RefundStatus

#: The longest time from creation to capture of a payment, and to processing of a refund; older rows are not read.
_LONGEST_ATTEMPT, _LONGEST_REFUND = timedelta(days=5), timedelta(days=45)
#: A webhook may be received before the row that it is about exists.
_EARLIEST = timedelta(days=1)


def get_webhook(webhook_id: UUID) -> Webhook:
    """
    Return a webhook.

    :raises WebhookNotFound: if there is none
    """
    webhook = Webhook.objects.filter(pk=webhook_id).first()
    if webhook is None:
        raise WebhookNotFound
    return webhook


def find_webhook(*, gateway: str, event_id: str, body_sha256: str) -> Webhook | None:
    """Return a webhook that was received before, by its event id or else by the hash of its body, or None."""
    rows = Webhook.objects.filter(gateway=gateway)
    return rows.filter(event_id=event_id).first() or rows.filter(body_sha256=body_sha256).first()


def list_unprocessed_webhooks(*, before: datetime, now: datetime, limit: int) -> list[UUID]:
    """Return the ids of unprocessed webhooks that were received before an instant and are due now, oldest first."""
    rows = Webhook.objects.filter(processed_at__isnull=True, parked_at__isnull=True, received_at__lte=before)
    rows = rows.filter(Q(next_attempt_at__isnull=True) | Q(next_attempt_at__lte=now))
    return list(rows.order_by("received_at").values_list("pk", flat=True)[:limit])


def count_processed_webhooks(webhook_ids: Collection[UUID]) -> int:
    """Return how many of the given webhooks are processed."""
    return Webhook.objects.filter(pk__in=webhook_ids, processed_at__isnull=False).count()


def last_webhook_at() -> datetime | None:
    """Return when the latest webhook was received, or None."""
    return Webhook.objects.order_by("-pk").values_list("received_at", flat=True).first()


def has_unprocessed_webhooks(*, since: datetime) -> bool:
    """Test if a webhook that was received since an instant is not processed."""
    return Webhook.objects.filter(processed_at__isnull=True, received_at__gte=since).exists()


def list_facts_without_webhook(*, since: datetime, until: datetime) -> list[tuple[datetime, str]]:
    """Return time and gateway id of captures, refunds and disputes that no webhook reported; oldest first."""
    attempts = PaymentAttempt.objects.filter(
        pk__gte=ids.floor(since - _LONGEST_ATTEMPT),
        status=AttemptStatus.CAPTURED,
        captured_at__gt=since,
        captured_at__lte=until,
    )
    refunds = Refund.objects.filter(
        pk__gte=ids.floor(since - _LONGEST_REFUND),
        status=RefundStatus.PROCESSED,
        gateway_refund_id__isnull=False,
        transfer_reference="",
        processed_at__gt=since,
        processed_at__lte=until,
    )
    disputes = Dispute.objects.filter(pk__gte=ids.floor(since), created_at__gt=since, created_at__lte=until)
    facts = [
        *_unreported("gateway_payment_id", attempts.values_list("captured_at", "gateway_payment_id"), since=since),
        *_unreported("gateway_refund_id", refunds.values_list("processed_at", "gateway_refund_id"), since=since),
        *_unreported("gateway_dispute_id", disputes.values_list("created_at", "gateway_dispute_id"), since=since),
    ]
    return sorted(facts)


def _unreported(
    key: str, rows: Iterable[tuple[datetime | None, str | None]], *, since: datetime
) -> list[tuple[datetime, str]]:
    found = [(at, entity_id) for at, entity_id in rows if at is not None and entity_id is not None]
    if not found:
        return []
    names = Q(**{f"metadata__{key}__in": [entity_id for _, entity_id in found]})
    webhooks = Webhook.objects.filter(names, pk__gte=ids.floor(since - _EARLIEST))
    reported = set(webhooks.values_list(f"metadata__{key}", flat=True))
    return [(at, entity_id) for at, entity_id in found if entity_id not in reported]
