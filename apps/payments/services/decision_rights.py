"""
Who may decide alone about the money of an order.

Everything that refunds, transfers or accepts money asks here. The table of roles, operations and amounts is in docs/money.md.
"""

from typing import TYPE_CHECKING

from django.conf import settings

from apps.accounts import selectors as accounts
from apps.core.errors import Forbidden
from apps.core.events import Actor
from apps.core.models import is_staff_with
from apps.core.money import rupees
from apps.payments import rules
from apps.payments.models import Refund
from apps.payments.selectors import refund_sums
from apps.payments.states import ApprovalRequirement, DecisionRole, MoneyOperation

if TYPE_CHECKING:
    from apps.accounts.models import User
    from apps.orders.models import Order

_APPROVE = "payments.change_refund"
#: The shop's own rules, the gateway's reports, and operators with a shell on the server.
_TRUSTED_KINDS = frozenset({"system", "gateway", "operator"})


class SelfApprovalForbidden(Forbidden):
    """Staff cannot approve a refund that they requested. Another person must do it."""

    message = "Another person must approve refund {0}, because you requested it."


class OwnOrderDecisionForbidden(SelfApprovalForbidden):
    """Staff cannot decide about a refund or payment of their own order. Another person must do it."""

    message = "Another person must decide about the refund or payment of order {0}, because it is your own order."
    code = SelfApprovalForbidden.code


class SecondPersonRequired(Forbidden):
    """Only staff who may approve refunds can decide about this refund or payment. Ask one of them."""

    message = "Only staff who may approve refunds can decide about the refund or payment of order {0}."


class RequesterCannotTransfer(SecondPersonRequired):
    """Staff cannot pay out a refund that they requested. Another person must do it."""

    message = "Another person must transfer refund {0}, because you requested it."
    code = SecondPersonRequired.code


class ApprovalThresholdExceeded(SecondPersonRequired):
    """The amount is above what one person may approve for an order. A second person must approve it."""

    message = (
        "A second person must approve: {0} of order {1} is above the {2} that one person may approve for an order."
    )
    code = SecondPersonRequired.code


def get_approval_requirement(
    *, order: "Order", operation: MoneyOperation, amount: int, actor: Actor, refund: Refund | None = None
) -> ApprovalRequirement:
    """
    Return whether an actor may decide alone about an amount (paise) of an order's money, or why a second person is needed.

    The caller has locked the order. What single persons have decided about the order before counts against
    REFUND_APPROVAL_THRESHOLD_PAISE, so that an amount cannot be split. `refund` is the one that is approved, retried or transferred.
    """
    role, is_own_order = _position(order, actor)
    return rules.approval_requirement(
        role=role,
        operation=operation,
        is_own_order=is_own_order,
        is_requester=refund is not None and refund.requested_by == str(actor),
        has_second_person=_has_second_person(refund, actor) if operation == MoneyOperation.CONFIRM_TRANSFER else False,
        amount=amount,
        decided_alone=refund_sums.sum_decided_alone(order.pk, excluding=refund.pk if refund else None),
        limit=settings.REFUND_APPROVAL_THRESHOLD_PAISE,
    )


def check_decision(
    *, order: "Order", operation: MoneyOperation, amount: int, actor: Actor, refund: Refund | None = None
) -> None:
    """
    Make sure that an actor may decide alone about an amount (paise) of an order's money. The caller has locked the order.

    :raises SelfApprovalForbidden: if the order is the actor's own, or they approve the refund that they requested
    :raises SecondPersonRequired: if they may not approve refunds, transfer one that they requested, or exceed the limit
    """
    decision = get_approval_requirement(order=order, operation=operation, amount=amount, actor=actor, refund=refund)
    if decision == ApprovalRequirement.OWN_ORDER:
        raise OwnOrderDecisionForbidden(order.number)
    if decision == ApprovalRequirement.OWN_REQUEST and refund is not None:
        is_approval = operation == MoneyOperation.APPROVE_REFUND
        raise (SelfApprovalForbidden if is_approval else RequesterCannotTransfer)(refund.number)
    if decision == ApprovalRequirement.ABOVE_THRESHOLD:
        raise ApprovalThresholdExceeded(rupees(amount), order.number, rupees(settings.REFUND_APPROVAL_THRESHOLD_PAISE))
    if decision != ApprovalRequirement.NOT_REQUIRED:
        raise SecondPersonRequired(order.number)


def is_staff_or_system(actor: Actor) -> bool:
    """Test if an actor is staff, or the system, the gateway or an operator."""
    return _role_of(actor, _find_user(actor)) != DecisionRole.CUSTOMER


def _has_second_person(refund: Refund | None, actor: Actor) -> bool:
    return refund is not None and refund.approved_by not in ("", str(actor))


def _position(order: "Order", actor: Actor) -> tuple[DecisionRole, bool]:
    """Return what an actor may do about refunds, and whether the order is their own."""
    user = _find_user(actor)
    return _role_of(actor, user), user is not None and order.customer_id == user.pk


def _find_user(actor: Actor) -> "User | None":
    return accounts.find_user(actor.id) if actor.kind == "user" else None


def _role_of(actor: Actor, user: "User | None") -> DecisionRole:
    if actor.kind in _TRUSTED_KINDS:
        return DecisionRole.SYSTEM
    if user is None or not (user.is_active and user.is_staff):
        return DecisionRole.CUSTOMER
    return DecisionRole.APPROVER if is_staff_with(user, _APPROVE) else DecisionRole.STAFF
