"""Invariants of the status history of payments, refunds and disputes."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from apps.core.audit import Invariant, Reads
from apps.core.states import InvalidTransition
from apps.payments import states
from apps.payments.states import DisputeStatus, PaymentStatus, RefundStatus

#: By kind: the statuses, their transitions, and the statuses of a new row.
_TABLES: Mapping[str, tuple[type, Callable[..., Any], tuple[str, ...]]] = {
    "payments.payment": (PaymentStatus, states.transition, (PaymentStatus.REQUIRES_PAYMENT,)),
    "payments.refund": (
        RefundStatus,
        states.transition_refund,
        (RefundStatus.REQUIRES_APPROVAL, RefundStatus.PENDING),
    ),
    # The first report of a dispute may be its outcome.
    "payments.dispute": (DisputeStatus, states.transition_dispute, tuple(DisputeStatus)),
}

_HISTORY = """
    SELECT subject_type, subject_id, version, changes ->> 'status' AS status,
           lag(changes ->> 'status') OVER (PARTITION BY subject_type, subject_id ORDER BY version) AS previous
    FROM core_event WHERE subject_type = ANY(%(kinds)s) AND changes ? 'status'
"""


def _forbidden_moves(cursor: Any, _now: datetime) -> list[dict[str, Any]]:
    kinds = {"kinds": list(_TABLES)}
    cursor.execute(f"SELECT DISTINCT subject_type, previous, status FROM ({_HISTORY}) AS history", kinds)  # noqa: S608
    forbidden = {move for move in cursor.fetchall() if not _is_allowed(*move)}
    if not forbidden:
        return []
    cursor.execute(f"SELECT subject_type, previous, status, subject_id, version FROM ({_HISTORY}) AS history", kinds)  # noqa: S608
    return [
        {"kind": row[0], "id": row[3], "version": row[4], "before": row[1], "after": row[2]}
        for row in cursor.fetchall()
        if row[:3] in forbidden
    ]


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


HISTORY = (
    Invariant(
        id="INV-17c",
        name="status_changes_are_allowed_transitions",
        statement="Every payment, refund and dispute began in an initial status, and each later transition is in its table.",
        sql=_forbidden_moves,
        reads=Reads.ONE_ORDER,
    ),
)
