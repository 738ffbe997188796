"""
Exceptions about what a gateway says outside of settlement reports.

A fact that contradicts our rows is not posted. One whose money has gone is posted, and has an exception too.
"""

from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from apps.core.events import Actor
from apps.core.transactions import transactional
from apps.ledger import locks as ledger_locks
from apps.ledger import selectors as ledger_selectors
from apps.ledger import services as ledger
from apps.ledger.states import ExceptionReason, Resolution
from apps.payments.models import Dispute, PaymentAttempt, Refund, Webhook

if TYPE_CHECKING:
    from apps.ledger.models import ReconciliationException

log = structlog.get_logger(__name__)


@transactional
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
    stage: str = "",
    attempt: PaymentAttempt | None = None,
    refund: Refund | None = None,
    dispute: Dispute | None = None,
    webhook: Webhook | None = None,
    actor: Actor,
    now: datetime,
) -> "ReconciliationException":
    """
    Open an exception for staff about what a gateway reports, or return the one that it has; posts nothing itself.

    The same fact opens one exception, whichever way it comes and however
    often: the same reason, gateway's id, amount, currency and `stage`. One that was resolved is not opened again.

    `entity_id` is the gateway's id of the payment, refund or dispute. Amounts are in paise: what we expected, in `currency`,
    and what the gateway said, in `actual_currency` where that differs. `description` is a whole sentence for staff.
    """
    exception, is_new = ledger.open_exception_once(
        gateway=gateway,
        reason=reason,
        entity_id=entity_id,
        description=description[:400],
        fingerprint=_fingerprint(reason, entity_id, actual_amount, actual_currency[:16] or currency, stage),
        expected_amount=expected_amount,
        actual_amount=actual_amount,
        currency=currency,
        actual_currency=actual_currency[:16],
        attempt_id=attempt.pk if attempt else None,
        refund_id=refund.pk if refund else None,
        dispute_id=dispute.pk if dispute else None,
        webhook_id=webhook.pk if webhook else None,
        actor=actor,
        now=now,
    )
    assert exception is not None  # noqa: S101 - it has a fingerprint
    if is_new:
        log.error("gateway_exception_opened", reason=reason.value, entity=entity_id[:40], why=description[:400])

    return exception


@transactional
def close_gateway_exception(
    *,
    gateway: str,
    reason: ExceptionReason,
    entity_id: str,
    actual_amount: int,
    currency: str,
    stage: str = "",
    actor: Actor,
    now: datetime,
) -> None:
    """Close the open exception about a fact, if there is one: it did not fit our books before, and has been booked now."""
    fingerprint = _fingerprint(reason, entity_id, actual_amount, currency, stage)
    found = ledger_selectors.find_exception_of_fact(gateway=gateway, fingerprint=fingerprint)
    if found is None or found.resolved_at is not None:
        return
    exception = ledger_locks.lock_exception(found.pk)
    if exception.resolved_at is None:
        note = "It is booked now: the gateway has reported more about it or about the payment."
        ledger.close_exception(exception, resolution=Resolution.BOOKED, note=note, actor=actor, now=now)


def _fingerprint(reason: ExceptionReason, entity_id: str, amount: int | None, currency: str, stage: str) -> str:
    return ":".join([reason.value, entity_id[:40], str(amount), currency, *([stage] if stage else [])])
