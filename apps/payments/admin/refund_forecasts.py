"""The consequences of a decision about a refund, shown before it is confirmed: facts, money, and who may decide."""

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.cache import cache

from apps.accounts import selectors as accounts
from apps.core import ids
from apps.core.events import Actor
from apps.core.money import rupees
from apps.payments.admin.decision_rights import decision_row
from apps.payments.messages import failure_text, method_text
from apps.payments.models import Refund
from apps.payments.selectors import disputes as selectors
from apps.payments.states import MoneyOperation, RefundStatus

#: The names of staff are read at most this often, not for each row.
_KEPT_SECONDS = 30


def way_back_text(refund: Refund) -> str:
    """Return how a refund is paid: by our bank transfer, or to the payment method of the payment."""
    if refund.status == RefundStatus.AWAITING_TRANSFER or refund.transfer_reference:
        return "By our bank transfer."
    attempt = refund.attempt
    return f"To the original payment method: {method_text(attempt.method, attempt.payer)}."


def name_of(refund: Refund, actor: str) -> str:
    """Return who requested or approved: the customer, a member of staff by name, or the system."""
    if actor == f"user:{ids.encode(get_user_model().PREFIX, refund.order.customer_id)}":
        return "the customer"
    names = cache.get_or_set("back-office:staff", accounts.get_staff_names, _KEPT_SECONDS) or {}
    person = actor.removeprefix("user:")
    return str(names.get(person, person))


def describe(refund: Refund) -> list[tuple[str, Any]]:
    """Return what a refund is and who requested it."""
    order = refund.order
    return [
        ("Refund", f"{refund.number}: {rupees(refund.amount)} of {rupees(order.paid_amount)} paid for {order.number}"),
        ("Buyer", accounts.display_name(order.customer, is_masked=True)),
        ("Why", f"{refund.get_reason_display()}{f': {refund.note}' if refund.note else ''}"),
        ("Requested by", name_of(refund, refund.requested_by)),
    ]


def _items(refund: Refund) -> list[tuple[str, Any]]:
    lines = refund.lines.select_related("order_line").order_by("pk")
    return [("Items", f"{line.quantity} of {line.order_line.name}, worth {rupees(line.amount)}.") for line in lines]


def of_approval(refund: Refund) -> list[tuple[str, Any]]:
    """Return what approving a refund does."""
    paid_by = method_text(refund.attempt.method, refund.attempt.payer)
    return [
        *describe(refund),
        *_items(refund),
        (
            "Money",
            f"{rupees(refund.amount)} is refunded to the original payment method: {paid_by}. It cannot be recalled.",
        ),
    ]


def of_rejection(refund: Refund) -> list[tuple[str, Any]]:
    """Return what rejecting a refund does."""
    return [*describe(refund), ("Money", "No money is sent. The buyer is notified and may request another refund.")]


def of_retry(refund: Refund) -> list[tuple[str, Any]]:
    """Return what retrying a failed refund does."""
    return [
        *describe(refund),
        ("Why it failed", failure_text(refund.error) or "The gateway gave no reason."),
        ("What will happen", "A new refund replaces it."),
    ]


def of_transfer(refund: Refund) -> list[tuple[str, Any]]:
    """Return what a bank transfer in place of a gateway refund requires."""
    limit = rupees(settings.REFUND_APPROVAL_THRESHOLD_PAISE)
    return [
        *describe(refund),
        ("Approved by", name_of(refund, refund.approved_by) or "nobody yet"),
        *_disputes_text(refund),
        (
            "Who may do this",
            f"Anyone but the person who requested it. Above {limit} two people: one holds the amount, another confirms.",
        ),
    ]


def who_approves(refund: Refund, actor: Actor) -> list[tuple[str, Any]]:
    """Return whether the user may approve a refund."""
    operation = MoneyOperation.APPROVE_REFUND
    return [decision_row(refund.order, operation, refund.amount, actor=actor, refund=refund)]


def who_retries(refund: Refund, actor: Actor) -> list[tuple[str, Any]]:
    """Return whether the user may retry a refund alone."""
    return [decision_row(refund.order, MoneyOperation.RETRY_REFUND, refund.amount, actor=actor, refund=refund)]


def who_transfers(refund: Refund, actor: Actor) -> list[tuple[str, Any]]:
    """Return whether the user may confirm a bank transfer."""
    operation = MoneyOperation.CONFIRM_TRANSFER
    return [decision_row(refund.order, operation, refund.amount, actor=actor, refund=refund)]


def _disputes_text(refund: Refund) -> list[tuple[str, Any]]:
    wanted = selectors.sum_disputed_of_attempt(refund.attempt_id)
    if not wanted:
        return []
    return [
        ("Caution", f"The payer's bank disputes or has taken {rupees(wanted)} of this payment. Do not pay it twice.")
    ]
