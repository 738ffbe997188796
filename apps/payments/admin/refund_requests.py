"""The action that requests a refund on the order's page: of lines, of an amount, or of all that is left."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.conf import settings
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
)

from apps.accounts import selectors as accounts
from apps.core import clock
from apps.core.admin_actions import ObjectAction, ObjectForm, Preview, add_object_action
from apps.core.admin_fields import RupeesField, WholeNumberField
from apps.core.events import Actor
from apps.core.money import half_up, rupees
from apps.orders import selectors as orders
from apps.orders.states import HOLDS_STOCK, FulfilmentStatus
from apps.payments.admin.decision_rights import decision_row
from apps.payments.messages import method_text
from apps.payments.selectors import refund_sums
from apps.payments.selectors import refunds as selectors
from apps.payments.services import decision_rights
from apps.payments.services.refunds import amounts, plans, previews
from apps.payments.states import USER_REFUND_REASONS, ApprovalRequirement, MoneyOperation, RefundReason, RefundStatus

ALL, LINES, AMOUNT = "all", "lines", "amount"
_WHAT = ((LINES, "Items"), (AMOUNT, "An amount"), (ALL, "The full remaining amount"))
#: Money of another amount than was requested has an action of its own, on its attempt's page.
_REASONS = [(one.value, one.label) for one in USER_REFUND_REASONS if one != RefundReason.AMOUNT_MISMATCH]


class RefundForm(ObjectForm):
    """
    What of an order is refunded, and why.

    Its cleaned data are what the service takes: `amount` (paise) or None, `lines`, `reason` and `note`, and what was seen.
    """

    what = forms.ChoiceField(choices=_WHAT, label="What is refunded", widget=UnfoldAdminRadioSelectWidget())
    amount = RupeesField(
        required=False,
        label="Amount",
        help_text="For “An amount”. With “Items”, leave it empty to refund what they are worth.",
    )
    reason = forms.ChoiceField(choices=[("", "Choose a reason"), *_REASONS], widget=UnfoldAdminSelectWidget())
    note = forms.CharField(
        required=False,
        max_length=200,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="The buyer can read it.",
    )
    seen_amount = forms.IntegerField(required=False, widget=forms.HiddenInput)
    seen_refundable = forms.IntegerField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._line_ids: dict[str, Any] = {}
        left = {line.id: line for line in selectors.list_refundable_lines(self.obj.pk)}
        for line in orders.list_lines(self.obj.pk):
            if left[line.pk].left_quantity:
                name = f"units_{line.position}"
                self._line_ids[name] = line.pk
                self.fields[name] = _units_field(line, left[line.pk])
        self.order_fields(["what", *self._line_ids, "amount", "reason", "note"])

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        lines = [
            amounts.RefundLineInput(line_id, data[name]) for name, line_id in self._line_ids.items() if data.get(name)
        ]
        what, amount = data.get("what"), data.get("amount")
        if what == LINES and not lines and not self.errors:
            self.add_error("what", "Enter the units of each item to refund.")
        if what == AMOUNT and amount is None and "amount" not in self.errors:
            self.add_error("amount", "Enter the amount to refund.")
        if what in (ALL, AMOUNT) and lines:
            self.add_error("what", "You entered units of items. Choose “Items”, or clear the units.")
        if what == ALL and amount is not None:
            self.add_error("what", "You entered an amount. Choose “An amount”, or clear the amount.")
        kept = {name: data.get(name) for name in ("reason", "note", "seen_amount", "seen_refundable")}
        return {"amount": amount, "lines": lines, **kept}


def _units_field(line: Any, left: Any) -> forms.IntegerField:
    units = f"{left.left_quantity} of {line.quantity}" if left.left_quantity < line.quantity else str(line.quantity)
    return WholeNumberField(
        required=False,
        min_value=0,
        max_value=left.left_quantity,
        label=f"Units of {line.name}",
        help_text=_worth_text(line, left, units),
        widget=UnfoldAdminIntegerFieldWidget(
            attrs={"min": 0, "max": left.left_quantity, "placeholder": "0", "inputmode": "numeric"}
        ),
    )


def _worth_text(line: Any, left: Any, units: str) -> str:
    """Return how many units can be refunded and what one is worth, and why it is worth less than it was sold for."""
    sold_for, worth = half_up(line.total_amount, line.quantity), left.value_of(1)
    if worth >= sold_for:
        return f"{units} can be refunded; one is worth {rupees(worth)}."
    return (
        f"{units} can be refunded; one was sold for {rupees(sold_for)} and is worth {rupees(worth)}, because refunds of this"
        f" order have already taken {rupees(left.refunded_amount)} of this item."
    )


def _can_be_refunded(order: Any) -> bool:
    return bool(order.paid_amount) and refund_sums.order_refundable_amount(order.pk) > 0


def _forecast(order: Any) -> list[tuple[str, Any]]:
    gone, on_its_way = refund_sums.refunded_and_in_progress_amounts(order.pk)
    waiting = refund_sums.sum_awaiting_approval(order.pk)
    rows = [
        (
            "Can be refunded",
            f"{rupees(refund_sums.order_refundable_amount(order.pk))} of {rupees(order.paid_amount)} paid.",
        ),
        *([("Refunded before", f"{rupees(gone)}.")] if gone else []),
        *([("Already on its way", f"{rupees(on_its_way)}.")] if on_its_way else []),
        *([("Waits for approval", f"{rupees(waiting)}; it cannot be refunded a second time.")] if waiting else []),
    ]
    if _is_unsent(order):
        rows.append(("The order", "The order does not change, and its goods stay reserved."))
    return rows


def _is_unsent(order: Any) -> bool:
    """Test if an order's goods are reserved, and none of them was sent."""
    return order.status in HOLDS_STOCK and order.fulfilment_status == FulfilmentStatus.UNFULFILLED


def _who_decides(order: Any, actor: Actor) -> list[tuple[str, Any]]:
    """Return how much of an order the reader may refund without approval, before an amount is entered."""
    operation, smallest = MoneyOperation.REQUEST_REFUND, amounts.MINIMUM_PAISE
    cancelling = _cancelling_row(order, actor)
    decision = decision_rights.get_approval_requirement(order=order, operation=operation, amount=smallest, actor=actor)
    if decision != ApprovalRequirement.NOT_REQUIRED:
        return [*cancelling, decision_row(order, operation, smallest, actor=actor)]
    free = rupees(settings.REFUND_APPROVAL_THRESHOLD_PAISE - refund_sums.sum_decided_alone(order.pk))
    return [
        *cancelling,
        ("Your decision", f"You may refund up to {free} of this order alone. Above that, another person must approve."),
    ]


def _cancelling_row(order: Any, actor: Actor) -> list[tuple[str, Any]]:
    user = accounts.find_user(actor.id)
    if not _is_unsent(order) or user is None or not user.has_perm("orders.change_order"):
        return []
    return [
        (
            "To refund everything",
            "Cancel the order instead: its goods are released, and the full remaining amount is refunded.",
        )
    ]


def _preview(
    order: Any,
    actor: Actor,
    *,
    amount: int | None,
    lines: Sequence[amounts.RefundLineInput],
    reason: str,
    note: str,
    **_: Any,
) -> Preview:
    plan = previews.preview_refund(order, amount=amount, lines=lines, actor=actor)
    refundable = refund_sums.order_refundable_amount(order.pk)
    rows = [
        ("Refund", f"{rupees(plan.amount)} of order {order.number}. {_left_text(refundable - plan.amount)}"),
        *_line_rows(order, plan),
        *_sources(order, plan),
        *[("The money", _refund_destination(attempt, part)) for attempt, part in plan.parts],
        ("Reason", f"{RefundReason(reason).label}. {note}" if note else f"{RefundReason(reason).label}."),
        decision_row(order, MoneyOperation.REQUEST_REFUND, plan.amount, actor=actor),
    ]
    is_alone = plan.decision == ApprovalRequirement.NOT_REQUIRED
    button = f"Refund {rupees(plan.amount)}" if is_alone else f"Request the refund of {rupees(plan.amount)}"
    return Preview(rows=rows, button=button, seen={"seen_amount": plan.amount, "seen_refundable": refundable})


def _left_text(left: int) -> str:
    return f"{rupees(left)} can still be refunded afterwards." if left else "Nothing is left to refund afterwards."


def _line_rows(order: Any, plan: plans.RefundPlan) -> list[tuple[str, Any]]:
    named = {line.pk: line for line in orders.list_lines(order.pk)}
    return [
        ("Items", f"{row.quantity} of {named[row.order_line_id].name}, worth {rupees(row.amount)}.")
        for row in plan.lines
    ]


def _sources(order: Any, plan: plans.RefundPlan) -> list[tuple[str, Any]]:
    """Return how much of each item a refund takes, and what that means for units that are returned later."""
    taken = amounts.preview_line_amounts(order, plan.parts, lines=plan.lines, now=clock.now())
    if not taken:
        return []
    rest = plan.amount - sum(taken.values())
    names = {line.pk: line.name for line in orders.list_lines(order.pk)}
    rows = [f"{rupees(amount)} of {names[line_id]}" for line_id, amount in taken.items()]
    rows += [f"{rupees(rest)} of the order's round-off"] if rest > 0 else []
    worth = {row.order_line_id: row.amount for row in plan.lines}
    is_of_kept_items = any(amount > worth.get(line_id, 0) for line_id, amount in taken.items())
    lowers = (
        "Money taken from an item beyond its refunded units reduces what its other units are worth in later refunds."
    )
    return [("Taken from", "\n".join(rows)), *([("Later refunds", lowers)] if is_of_kept_items else [])]


def _refund_destination(attempt: Any, part: int) -> str:
    paid_by = method_text(attempt.method, attempt.payer)
    return f"{rupees(part)} is refunded to the original payment method: {paid_by}. It cannot be recalled once the gateway has it."


def _refund(
    order: Any,
    *,
    user: Any,
    actor: Actor,
    now: Any,
    amount: int | None,
    lines: Sequence[amounts.RefundLineInput],
    reason: str,
    note: str,
    seen_amount: int | None,
    seen_refundable: int | None,
) -> str:
    if seen_amount is None or seen_refundable is None:
        raise previews.RefundPreviewOutdated(order.number)
    refunds = previews.request_previewed_refund(
        order_id=order.pk,
        amount=amount,
        lines=lines,
        reason=RefundReason(reason),
        note=note,
        seen_amount=seen_amount,
        seen_refundable=seen_refundable,
        actor=actor,
        now=now,
    )
    return " ".join(_result_text(refund) for refund in refunds)


def _result_text(refund: Any) -> str:
    if refund.status == RefundStatus.REQUIRES_APPROVAL:
        return f"Refund {refund.number} of {rupees(refund.amount)} waits until another person approves it."
    return f"Refund {refund.number} of {rupees(refund.amount)} is on its way to the buyer."


add_object_action(
    "orders.order",
    ObjectAction(
        name="refund", title="Refund", permission="payments.add_refund", perform=_refund, icon="undo", form=RefundForm,
        forecast=_forecast, forecast_for_actor=_who_decides, preview=_preview, is_available=_can_be_refunded,
    ),
)  # fmt: skip
