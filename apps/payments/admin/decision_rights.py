"""The row of an action's page that says whether the user may decide alone or a second person is needed."""

from typing import Any

from django.conf import settings

from apps.core.errors import BahiError
from apps.core.events import Actor
from apps.core.money import rupees
from apps.payments.models import Refund
from apps.payments.services import decision_rights
from apps.payments.states import IMMEDIATE_OPERATIONS, ApprovalRequirement, MoneyOperation

_WAITS = {
    ApprovalRequirement.NOT_REQUIRED: "You may decide this alone. It takes effect at once.",
    ApprovalRequirement.OWN_ORDER: "This is your own order, so another person must approve the refund first.",
    ApprovalRequirement.NOT_APPROVER: "Another person must approve the refund first.",
    ApprovalRequirement.ABOVE_THRESHOLD: (
        "Another person must approve the refund first: together with earlier decisions about this order, it is above the"
        " {limit} that one person may approve for an order."
    ),
}


def decision_row(
    order: Any, operation: MoneyOperation, amount: int, *, actor: Actor, refund: Refund | None = None
) -> tuple[str, str]:
    """Return a row that says whether the user may decide about an amount (paise) alone, and if not, why."""
    asked: dict[str, Any] = {
        "order": order, "operation": operation, "amount": amount, "actor": actor, "refund": refund,
    }  # fmt: skip
    if operation in IMMEDIATE_OPERATIONS:
        try:
            decision_rights.check_decision(**asked)
        except BahiError as refusal:
            return ("Your decision", refusal.text)
        return ("Your decision", _WAITS[ApprovalRequirement.NOT_REQUIRED])
    limit = rupees(settings.REFUND_APPROVAL_THRESHOLD_PAISE)
    return ("Your decision", _WAITS[decision_rights.get_approval_requirement(**asked)].format(limit=limit))
