"""Who may decide about the money of an order."""

from apps.payments.states import (
    IMMEDIATE_OPERATIONS,
    UNLIMITED_OPERATIONS,
    ApprovalRequirement,
    DecisionRole,
    MoneyOperation,
)


def approval_requirement(
    *,
    role: str,
    operation: str,
    is_own_order: bool,
    is_requester: bool = False,
    has_second_person: bool = False,
    amount: int,
    decided_alone: int,
    limit: int,
) -> ApprovalRequirement:
    """
    Return whether one person may decide alone about an amount (paise) of an order, or why a second person is needed.

    `decided_alone` is the amount of this order that single persons have decided about before. `is_requester` and
    `has_second_person` describe the refund that is approved or transferred: whether the actor requested it, and whether
    another approver has approved it.
    """
    if role == DecisionRole.SYSTEM:
        return ApprovalRequirement.NOT_REQUIRED
    # Until something is sent, a customer may cancel and is refunded: the shop's terms decide that, not a person.
    is_customer_cancelling = role == DecisionRole.CUSTOMER and is_own_order and operation == MoneyOperation.CANCEL_ORDER
    if is_own_order and not is_customer_cancelling:
        return ApprovalRequirement.OWN_ORDER
    if operation == MoneyOperation.RESPOND_TO_DISPUTE:
        # This has a permission of its own.
        return ApprovalRequirement.NOT_REQUIRED
    if role != DecisionRole.APPROVER and not is_customer_cancelling:
        return ApprovalRequirement.NOT_APPROVER
    if is_requester and operation in IMMEDIATE_OPERATIONS:
        return ApprovalRequirement.OWN_REQUEST
    if has_second_person or operation in UNLIMITED_OPERATIONS or decided_alone + amount <= limit:
        return ApprovalRequirement.NOT_REQUIRED
    return ApprovalRequirement.ABOVE_THRESHOLD
