"""The action that cancels an order, on the order's page; it shows the consequences before it is confirmed."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextareaWidget

from apps.core import clock
from apps.core.admin_actions import ObjectAction, add_object_action
from apps.core.events import Actor
from apps.core.money import rupees
from apps.orders import selectors as orders
from apps.orders.states import HOLDS_STOCK, FulfilmentStatus, OrderStatus
from apps.payments.admin.decision_rights import decision_row
from apps.payments.selectors import refund_sums
from apps.payments.selectors import refunds as selectors
from apps.payments.services import order_cancellation
from apps.payments.states import MoneyOperation, RefundStatus

_OPEN = (OrderStatus.PENDING_PAYMENT, *HOLDS_STOCK)


class CancelForm(forms.Form):
    """Why the order is cancelled."""

    reason = forms.CharField(
        max_length=200,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="The buyer sees this reason in the app, and in the e-mail if one is sent; see above.",
    )


def _cancel(order: Any, *, user: Any, actor: Any, now: Any, reason: str) -> str:
    cancelled = order_cancellation.cancel_order(order_id=order.pk, actor=actor, reason=reason, now=now)
    said = [f"Order {cancelled.number} is cancelled."]
    for refund in selectors.list_refunds_of_order(order.pk):
        if refund.status == RefundStatus.REQUIRES_APPROVAL:
            said.append(f"Refund {refund.number} of {rupees(refund.amount)} waits for approval.")
        elif refund.status in (RefundStatus.PENDING, RefundStatus.UNKNOWN):
            said.append(f"Refund {refund.number} of {rupees(refund.amount)} is on its way.")
    return " ".join(said)


def _forecast(order: Any) -> list[tuple[str, Any]]:
    units = sum(line.quantity for line in orders.list_lines(order.pk))
    return [
        ("The order", f"{order.number} is closed. A cancelled order cannot be reopened."),
        ("Stock", f"{units} {'unit' if units == 1 else 'units'} can be sold again at once."),
        *_money(order),
    ]


def _blocked_reason(order: Any) -> str:
    is_open = orders.has_live_payment(order, clock.now())
    if is_open and not order.under_review_amount:
        return "A payment of this order is open. Cancel the payment first, or wait until it has ended."
    return ""


def _can_be_cancelled(order: Any) -> bool:
    """
    Test if an order is open, nothing of it was sent, and it has no disputed amount.

    During an open dispute nothing is refunded, and what was sent is refunded without a cancellation.
    """
    is_unsent = order.fulfilment_status == FulfilmentStatus.UNFULFILLED
    return order.status in _OPEN and is_unsent and not order.disputed_amount


def _money(order: Any) -> list[tuple[str, Any]]:
    goes_back = refund_sums.cancellation_refund_amount(order.pk)
    gone, on_its_way = refund_sums.refunded_and_in_progress_amounts(order.pk)
    rows = []
    if goes_back:
        rows.append(("Money", f"{rupees(goes_back)} is refunded to the original payment method."))
    elif order.under_review_amount:
        arrived = rupees(order.under_review_amount)
        rows.append(("Money", f"{arrived} arrived, which is not the amount requested. All of it is refunded."))
    elif order.status == OrderStatus.PENDING_PAYMENT:
        rows.append(("Money", "Nothing was paid, so nothing is refunded."))
    else:
        rows.append(("Money", "Nothing is left to refund."))
    if gone:
        rows.append(("Refunded before", rupees(gone)))
    if on_its_way:
        rows.append(("Already on its way", f"{rupees(on_its_way)}; this does not change."))
    return rows


def _who_decides(order: Any, actor: Actor) -> list[tuple[str, Any]]:
    amount = refund_sums.cancellation_refund_amount(order.pk) + order.under_review_amount
    return [decision_row(order, MoneyOperation.CANCEL_ORDER, amount, actor=actor)] if amount else []


add_object_action(
    "orders.order",
    ObjectAction(
        name="cancel",
        title="Cancel order",
        permission="orders.change_order",
        perform=_cancel,
        icon="cancel",
        form=CancelForm,
        forecast=_forecast,
        forecast_for_actor=_who_decides,
        blocked_reason=_blocked_reason,
        is_available=_can_be_cancelled,
        is_destructive=True,
    ),
)
