"""
Exceptions about what a gateway says outside of settlement reports: a fact that contradicts our rows is never posted, but shown to staff.
"""

from datetime import datetime

import structlog
from django.db import transaction

from apps.core.events import Actor, create_if_absent
from apps.payments import events, locks, selectors
from apps.payments.models import Dispute, PaymentAttempt, ReconciliationException, Refund, Webhook
from apps.payments.services.exception_resolution import close
from apps.payments.states import ExceptionReason, Resolution

log = structlog.get_logger(__name__)


@transaction.atomic
def open_gateway_exception(
    *,
    gateway: str,
    reason: ExceptionReason,
    entity_id: str,
    description: str,
    expected_amount: int | None = None,
    actual_amount: int | None = None,
    currency: str = "INR",
    actual_currency: str = "",
    attempt: PaymentAttempt | None = None,
    refund: Refund | None = None,
    dispute: Dispute | None = None,
    webhook: Webhook | None = None,
    actor: Actor,
    now: datetime,
) -> ReconciliationException:
    """
    Open an exception for staff about a fact of a gateway that we did not believe, or return the one that it has.

    Nothing is posted and nothing is held in suspense. The same fact opens one exception, whichever way it comes and however
    often: the same reason, gateway's id, amount and currency. One that was resolved is not opened again.

    `entity_id` is the gateway's id of the payment, refund or dispute. Amounts are in paise: what we expected, in `currency`,
    and what the gateway said, in `actual_currency` where that differs. `description` is a whole sentence for staff.
    """
    fingerprint = _fingerprint(reason, entity_id, actual_amount, actual_currency[:16] or currency)
    exception = ReconciliationException(
        gateway=gateway,
        reason=reason,
        entity_id=entity_id[:40],
        description=description[:400],
        fingerprint=fingerprint,
        expected_amount=expected_amount,
        actual_amount=actual_amount,
        currency=currency,
        actual_currency=actual_currency[:16],
        attempt=attempt,
        refund=refund,
        dispute=dispute,
        webhook=webhook,
        opened_at=now,
    )
    found = selectors.find_exception_of_fact(gateway=gateway, fingerprint=fingerprint)
    if found is not None:
        return found
    if create_if_absent(exception, events.EXCEPTION_OPENED, actor=actor, now=now) is None:
        # Another process has opened it meanwhile.
        found = selectors.find_exception_of_fact(gateway=gateway, fingerprint=fingerprint)
        assert found is not None  # noqa: S101 - it is what refused the new one, and exceptions are never deleted
        return found

    log.error("gateway_fact_rejected", reason=reason.value, entity=entity_id[:40], why=description[:400])

    return exception


@transaction.atomic
def close_gateway_exception(
    *,
    gateway: str,
    reason: ExceptionReason,
    entity_id: str,
    actual_amount: int,
    currency: str,
    actor: Actor,
    now: datetime,
) -> None:
    """Close the open exception about a fact, if there is one: it did not fit our books before, and has been booked now."""
    fingerprint = _fingerprint(reason, entity_id, actual_amount, currency)
    found = selectors.find_exception_of_fact(gateway=gateway, fingerprint=fingerprint)
    if found is None or found.resolved_at is not None:
        return
    exception = locks.lock_exception(found.pk)
    if exception.resolved_at is None:
        note = "The gateway's other refunds or disputes of the payment have changed since."
        close(exception, resolution=Resolution.BOOKED, note=note, actor=actor, now=now)


def _fingerprint(reason: ExceptionReason, entity_id: str, amount: int | None, currency: str) -> str:
    return f"{reason.value}:{entity_id[:40]}:{amount}:{currency}"
