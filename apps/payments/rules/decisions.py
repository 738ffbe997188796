"""Who may decide about the money of an order."""

from apps.payments.states import (
    IMMEDIATE_OPERATIONS,
    UNLIMITED_OPERATIONS,
    Decision,
    DecisionRole,
    MoneyOperation,
)


def assess(
    *,
    role: str,
    operation: str,
    is_own_order: bool,
    is_requester: bool = False,
    has_second_person: bool = False,
    amount: int,
    decided_alone: int,
    limit: int,
) -> Decision:
    """
    Return whether one person may decide alone about an amount (paise) of an order, or why a second person is needed.

    `decided_alone` is the amount of this order that single persons have decided about before. `is_requester` and
    `has_second_person` describe the refund that is approved or transferred: whether the actor requested it, and whether
    another approver has approved it.
    """
    if role == DecisionRole.SYSTEM:
        return Decision.ALONE
    # Until something is sent, a customer may cancel and is refunded: the shop's terms decide that, not a person.
    is_customer_cancelling = role == DecisionRole.CUSTOMER and is_own_order and operation == MoneyOperation.CANCEL_ORDER
    if is_own_order and not is_customer_cancelling:
        return Decision.OWN_ORDER
    if operation == MoneyOperation.RESPOND_TO_DISPUTE:
        # This has a permission of its own.
        return Decision.ALONE
    if role != DecisionRole.APPROVER and not is_customer_cancelling:
        return Decision.NOT_APPROVER
    if is_requester and operation in IMMEDIATE_OPERATIONS:
        return Decision.OWN_REQUEST
    if has_second_person or operation in UNLIMITED_OPERATIONS or decided_alone + amount <= limit:
        return Decision.ALONE
    return Decision.OVER_LIMIT
