"""Who may decide about refunds, and for which orders refunds may be requested."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from apps.core.errors import Forbidden
from apps.core.events import user_actor
from apps.core.models import is_staff_with

_DECISIONS = frozenset({"approve", "reject", "retry", "hold_for_transfer", "confirm_transfer"})


class RefundNotPermitted(Forbidden):
    """The account may not decide about this refund. Ask staff who may approve refunds."""

    message = "Your account may not decide about this refund."


class RefundPermission(BasePermission):
    """
    Staff with `payments.change_refund` decide about refunds; the person who requested one may cancel it.

    Refunds are requested for one's own order, or for any by staff with `payments.add_refund`.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        if view.action in _DECISIONS and not is_staff_with(request.user, "payments.change_refund"):
            raise RefundNotPermitted
        return True

    def has_object_permission(self, request: Request, view: Any, obj: Any) -> bool:
        user: Any = request.user
        if view.action == "cancel":
            is_allowed = obj.requested_by == str(user_actor(user)) or is_staff_with(user, "payments.change_refund")
        elif view.action == "create":
            is_allowed = obj.customer_id == user.pk or is_staff_with(user, "payments.add_refund")
        else:
            return True
        if not is_allowed:
            raise RefundNotPermitted
        return True
