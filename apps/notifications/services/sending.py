"""
Delivery: claim and commit, call the provider, record the outcome.

What the provider certainly did not take is attempted again, six times within five hours. What it answered with an error of its own
is attempted three times, if its kind may arrive twice without harm. Before each attempt but the first we ask whether the
message is still true. What is not sent in the end is shown to staff, who may have it sent again (`resends`).

A worker that crashes between the call and its record leaves a claim that expires. Then it is unknown whether the message was sent:
an SMS is not sent again (`unknown`), an e-mail goes again under the same Message-ID.
"""

from datetime import datetime, timedelta
from uuid import UUID

import structlog

from apps.core.events import SYSTEM, change
from apps.core.external_calls import poll_due
from apps.core.incidents import sync_credentials_incident
from apps.core.logs import redact_text
from apps.core.row_writes import update_row
from apps.core.transactions import transactional
from apps.invoicing import selectors as invoicing
from apps.notifications import events, locks, rules, states
from apps.notifications.gateways import Outcome, SendResult, mail, msg91
from apps.notifications.models import Notification
from apps.notifications.selectors import messages
from apps.notifications.services import notifications, rendering
from apps.notifications.states import Channel, NotificationStatus

log = structlog.get_logger(__name__)

OUTDATED = "The message is no longer true."


def send_notification(*, notification_id: UUID, now: datetime) -> Notification | None:
    """Send one message if it is to be sent now and nobody else does; return it as it stands then, or None."""
    claimed = claim_notification(notification_id=notification_id, now=now)
    if claimed is None:
        return None
    outcome = _submit(claimed)
    sync_credentials_incident(
        provider="msg91" if claimed.channel == Channel.SMS else "smtp",
        is_rejected=outcome.rejects_credentials,
        is_accepted=outcome.result is SendResult.ACCEPTED,
        detail=outcome.error,
        now=now,
    )
    return record_outcome(notification_id=claimed.pk, attempt=claimed.attempts, outcome=outcome, now=now)


def send_due(*, now: datetime, limit: int = 100) -> int:
    """Send what waits and is due, for one round, and return how many were processed."""

    def send(notification_id: UUID, elapsed: timedelta) -> bool:
        send_notification(notification_id=notification_id, now=now + elapsed)
        return True

    return poll_due(messages.list_due(now=now).values_list("pk", flat=True)[:limit], send)


@transactional
def claim_notification(*, notification_id: UUID, now: datetime) -> Notification | None:
    """
    Take a message for sending, or return None if it is not ours to send: done, not due, or in another's hands.

    Takes the place of a sender whose lease ran out, but for an SMS, which becomes unknown.
    """
    notification = locks.lock_notification(notification_id)

    is_claimed = notification.status == NotificationStatus.SENDING
    may_claim = rules.may_claim(
        is_waiting=notification.status == NotificationStatus.QUEUED,
        is_claimed=is_claimed,
        attempts=notification.attempts_since_resend,
        next_attempt_at=notification.next_attempt_at,
        claimed_until=notification.claimed_until,
        now=now,
    )
    if not may_claim:
        return None
    if is_claimed and notification.channel == Channel.SMS:
        _close(
            notification,
            NotificationStatus.UNKNOWN,
            "The worker crashed; it is unknown whether the message was sent.",
            now=now,
        )
        return None
    if notification.attempts_since_resend and not notifications.is_still_valid(notification):
        _close(notification, NotificationStatus.FAILED, OUTDATED, now=now)
        return None
    if notification.attempts_since_resend >= rules.MAX_ATTEMPTS:
        _close(notification, NotificationStatus.FAILED, notification.last_error or "Every attempt crashed.", now=now)
        return None

    if not is_claimed:
        notification.status = states.transition(notification.status, to=NotificationStatus.SENDING)
    notification.attempts += 1
    notification.claimed_until = notification.next_attempt_at = now + rules.LEASE
    update_row(notification, "status", "attempts", "claimed_until", "next_attempt_at")

    return notification


def _submit(notification: Notification) -> Outcome:
    if notification.channel == Channel.SMS:
        template = rules.MESSAGE_TEMPLATES[notification.template].sms_template_name
        return msg91.send(phone=notification.recipient, template=template, variables=notification.context)
    try:
        html = rendering.render_email_html(notification.template, notification.context, title=notification.title)
        attachments = _attachments(notification)
    except Exception as error:  # nothing was sent yet, so that this is a failed attempt and no dead sender
        log.exception("notification_rendering_failed", notification=notification.public_id)
        return Outcome(SendResult.TEMPORARY_FAILURE, error=f"{type(error).__name__}: {error}")
    return mail.send(
        recipient=notification.recipient,
        subject=notification.title,
        text=notification.body,
        html=html,
        message_id=notification.message_id,
        attachments=attachments,
    )


def _attachments(notification: Notification) -> list[mail.Attachment]:
    invoice_id = notification.context.get("invoice_id")
    if not invoice_id:
        return []
    _, content = invoicing.get_invoice_pdf(UUID(invoice_id))
    name = str(notification.context["invoice_number"]).replace("/", "-")
    return [mail.Attachment(name=f"{name}.pdf", content=content, media_type="application/pdf")]


@transactional
def record_outcome(*, notification_id: UUID, attempt: int, outcome: Outcome, now: datetime) -> Notification:
    """Write down what came of an attempt, unless its lease has run out and another worker has continued."""
    notification = locks.lock_notification(notification_id)

    if notification.status != NotificationStatus.SENDING or notification.attempts != attempt:
        log.warning("notification_outcome_ignored", notification=notification.public_id, result=outcome.result.value)
        return notification

    retry_at = _next_attempt_at(notification, outcome, now=now)
    if outcome.result is SendResult.ACCEPTED:
        _close(notification, NotificationStatus.SENT, "", provider_id=outcome.provider_id, now=now)
    elif retry_at is not None:
        _requeue(notification, outcome.error, retry_at=retry_at)
    elif outcome.result in (SendResult.UNKNOWN, SendResult.PROVIDER_ERROR):
        _close(notification, NotificationStatus.UNKNOWN, outcome.error, now=now)
    else:
        _close(notification, NotificationStatus.FAILED, outcome.error, now=now)

    return notification


def _next_attempt_at(notification: Notification, outcome: Outcome, *, now: datetime) -> datetime | None:
    """Return when a message is attempted again automatically, or None if it is not."""
    if outcome.result is SendResult.TEMPORARY_FAILURE:
        return rules.next_attempt_at(attempts=notification.attempts_since_resend, now=now)
    if outcome.result is SendResult.PROVIDER_ERROR and rules.MESSAGE_TEMPLATES[notification.template].may_repeat:
        return rules.next_attempt_at(
            attempts=notification.attempts_since_resend, now=now, max_attempts=rules.MAX_PROVIDER_ERROR_ATTEMPTS
        )
    return None


def _requeue(notification: Notification, error: str, *, retry_at: datetime) -> None:
    notification.status = states.transition(notification.status, to=NotificationStatus.QUEUED)
    notification.claimed_until = None
    notification.next_attempt_at = retry_at
    notification.last_error = rules.one_line(error, limit=500)
    update_row(notification, "status", "claimed_until", "next_attempt_at", "last_error")


def fail_queued(notification: Notification, why: str, *, now: datetime) -> None:
    """Give up a message that the caller has locked and that waits to be sent."""
    _close(notification, NotificationStatus.FAILED, why, now=now)


def _close(
    notification: Notification, status: NotificationStatus, error: str, *, now: datetime, provider_id: str = ""
) -> None:
    is_sent = status == NotificationStatus.SENT
    last_error = rules.one_line(error, limit=500)
    change(
        notification,
        events.NOTIFICATION_SENT if is_sent else events.NOTIFICATION_FAILED,
        {
            "status": states.transition(notification.status, to=status),
            "attempts": notification.attempts,  # its claims counted them without an event
            "next_attempt_at": None,
            "claimed_until": None,
            "provider_id": provider_id,
            "last_error": last_error,
            "sent_at": now if is_sent else None,
        },
        root=notification.root_id,
        actor=SYSTEM,
        # A provider's answer may repeat where the message was to go.
        event_reason=redact_text(last_error),
        now=now,
    )
    if not is_sent:
        log.error("notification_not_sent", notification=notification.public_id, status=status.value, error=error)
