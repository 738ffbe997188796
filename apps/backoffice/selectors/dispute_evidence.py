"""What we know of a disputed sale: everything of it that a bank can be shown."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.accounts import selectors as accounts
from apps.backoffice.selectors import timeline
from apps.core.masking import mask
from apps.fulfilment import selectors as fulfilment
from apps.fulfilment.states import LEFT_STOCK
from apps.invoicing import selectors as invoicing
from apps.notifications.models import Notification
from apps.notifications.selectors import list_notifications_of_order
from apps.notifications.states import Channel
from apps.orders import selectors as orders
from apps.payments import selectors as payments
from apps.payments.states import RefundStatus

MAX_LOG_INS = 20
MAX_MESSAGES = 100
MAX_EVENTS = 200


@dataclass(frozen=True)
class EvidenceEvent:
    """One thing that happened to an order, in a sentence, and who did it."""

    at: datetime
    text: str
    actor: str


@dataclass(frozen=True)
class EvidenceMessage:
    """A message to the buyer, with the masked recipient; none for a message in the app."""

    message: Notification
    recipient: str


@dataclass(frozen=True)
class Evidence:
    """
    The evidence for a dispute, part by part.

    Of phone numbers and e-mail addresses only the masked form is here, and of messages never the text. `shipments` are
    the parcels that have left, with what is in them.
    """

    dispute: Any
    order: Any
    lines: Sequence[Any]
    customer: Any
    phone: str
    email: str
    signed_up_at: datetime | None
    phone_confirmed_at: datetime | None
    log_ins: Sequence[Any]
    documents: Sequence[Any]
    refunds: Sequence[Any]
    shipments: Sequence[Any]
    messages: Sequence[EvidenceMessage]
    timeline: Sequence[EvidenceEvent]
    statements: Sequence[Any]

    @property
    def attempt(self) -> Any:
        return self.dispute.attempt

    @property
    def payment(self) -> Any:
        return self.dispute.attempt.payment

    @property
    def refunded_amount(self) -> int:
        """The refunded amount of the disputed payment, in paise."""
        return sum(refund.amount for refund in self.refunds if refund.attempt_id == self.attempt.pk)


def get_evidence(dispute_id: UUID) -> Evidence:
    """
    Return the evidence for a dispute, with a constant number of queries.

    :raises DisputeNotFound: if there is no such dispute
    """
    dispute = payments.get_dispute(dispute_id)
    order = orders.get_order(dispute.order_id)
    customer = accounts.get_user(order.customer_id)
    sign_up = accounts.find_sign_up(customer)
    # Who signed up by a mailbox has confirmed no phone; the phone of an account never changes.
    is_phone_confirmed = sign_up is not None and sign_up.changes.get("confirmed") == "phone"
    refunds = [one for one in payments.list_refunds_of_order(order.pk) if one.status == RefundStatus.PROCESSED]
    return Evidence(
        dispute=dispute,
        order=order,
        lines=orders.list_lines(order.pk),
        customer=customer,
        phone=mask(customer.phone) if customer.phone else "",
        email=mask(customer.email) if customer.email else "",
        signed_up_at=sign_up.created_at if sign_up else None,
        phone_confirmed_at=sign_up.created_at if sign_up and customer.phone and is_phone_confirmed else None,
        log_ins=accounts.list_log_ins(user_id=customer.pk, limit=MAX_LOG_INS),
        documents=list(invoicing.list_documents_of_order(order.pk)),
        refunds=refunds,
        shipments=[one for one in fulfilment.list_shipments_of_order(order.pk) if one.status in LEFT_STOCK],
        messages=_messages(order),
        timeline=_timeline(order, customer),
        statements=payments.list_evidence(dispute.pk),
    )


def _messages(order: Any) -> list[EvidenceMessage]:
    messages = list_notifications_of_order(order.pk).filter(user_id=order.customer_id)[:MAX_MESSAGES]
    return [EvidenceMessage(one, "" if one.channel == Channel.IN_APP else mask(one.recipient)) for one in messages]


def _timeline(order: Any, customer: Any) -> list[EvidenceEvent]:
    events = timeline.list_timeline(user=customer, order=order).exclude(type__startswith="notifications.")[:MAX_EVENTS]
    entries = []
    for event in events:
        text, actor = timeline.describe_event(event, order=order)
        entries.append(EvidenceEvent(at=event.created_at, text=text, actor=actor))
    return entries
