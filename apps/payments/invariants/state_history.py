"""Invariants of the status history of payments, refunds and disputes."""

from collections.abc import Callable, Mapping
from typing import Any

from django.db.models import TextChoices

from apps.core.audit import Invariant, Reads
from apps.core.event_histories import event_histories
from apps.core.states import InvalidTransition
from apps.payments import states
from apps.payments.states import DisputeStatus, PaymentStatus, RefundStatus

#: By kind: the statuses, their transitions, and the statuses of a new row.
_TABLES: Mapping[str, tuple[type[TextChoices], Callable[..., Any], tuple[str, ...]]] = {
    "payments.payment": (PaymentStatus, states.transition, (PaymentStatus.REQUIRES_PAYMENT,)),
    "payments.refund": (
        RefundStatus,
        states.transition_refund,
        (RefundStatus.REQUIRES_APPROVAL, RefundStatus.PENDING),
    ),
    # The first report of a dispute may be its outcome.
    "payments.dispute": (DisputeStatus, states.transition_dispute, tuple(DisputeStatus)),
}


def _is_allowed(kind: str, before: str | None, after: str) -> bool:
    choices, change, firsts = _TABLES[kind]
    if before is None:
        return after in firsts
    if before == after:
        return True
    try:
        change(choices(before), to=choices(after))
    except (InvalidTransition, ValueError):
        return False
    return True


_ALLOWED = ", ".join(
    f"('{kind}', '{before or ''}', '{after}')"
    for kind, (choices, _, _) in _TABLES.items()
    for before in (None, *choices.values)
    for after in choices.values
    if _is_allowed(kind, before, after)
)

HISTORY = (
    Invariant(
        id="INV-17c",
        name="status_changes_are_allowed_transitions",
        statement="Every payment, refund and dispute began in an initial status, and each later transition is in its table.",
        sql=f"""
            SELECT subject_type AS kind, subject_id AS id, version, previous AS before, status AS after FROM moves
            WHERE subject_type IN ({", ".join(f"'{kind}'" for kind in _TABLES)})
              AND (subject_type, coalesce(previous, ''), status) NOT IN (VALUES {_ALLOWED})
        """,  # noqa: S608 - only constants of the code are interpolated
        reads=Reads.ONE_ORDER,
        reading=event_histories,
    ),
)
