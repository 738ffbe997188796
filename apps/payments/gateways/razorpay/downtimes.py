"""
Reads Razorpay's downtimes of payment methods.

In webhooks a card's `card_type` is called `type`. https://razorpay.com/docs/api/payments/downtime/
"""

import re
from typing import Any

import structlog

from apps.payments.facts import GatewayDowntime, UnreadableFacts, instant_from, text_from, with_prefix
from apps.payments.gateways.razorpay.entities import entity_of
from apps.payments.states import DowntimeSeverity, DowntimeStatus

log = structlog.get_logger(__name__)

NAME = "razorpay"
#: Webhooks of a downtime.
FOLLOWED_DOWNTIMES = frozenset(f"payment.downtime.{what}" for what in ("started", "updated", "resolved"))
_RESOLVED = "payment.downtime.resolved"
_METHOD = re.compile(r"[a-z][a-z0-9_]{1,19}")
#: The parts of an instrument, by Razorpay's names and ours.
_INSTRUMENT = {
    "bank": "bank", "network": "network", "issuer": "issuer", "card_type": "card_type", "type": "card_type",
    "psp": "psp", "vpa_handle": "vpa_handle", "flow": "flow", "wallet": "wallet",
}  # fmt: skip


def downtime_from(entity: Any, *, event_type: str = "") -> GatewayDowntime:
    """
    Read a downtime; `event_type` is the type if it came in a webhook.

    :raises UnreadableFacts: if it has no id, method, begin, or known status and severity, if it ends before it begins, or if the
        type and the status contradict each other
    """
    if not isinstance(entity, dict):
        raise UnreadableFacts("not an object")
    method, status, severity = entity.get("method"), entity.get("status"), entity.get("severity")
    if not isinstance(method, str) or not _METHOD.fullmatch(method):
        raise UnreadableFacts(f"a downtime of {str(method)[:40]!r}")
    if status not in DowntimeStatus.values or severity not in DowntimeSeverity.values:
        raise UnreadableFacts(f"a downtime that is {str(status)[:40]!r} and {str(severity)[:40]!r}")
    if event_type and (event_type == _RESOLVED) != (status == DowntimeStatus.RESOLVED):
        raise UnreadableFacts(f"{event_type} reports a downtime that is {status}")
    begins_at, ends_at = instant_from(entity, "begin"), instant_from(entity, "end")
    if begins_at is None or (ends_at is not None and ends_at < begins_at):
        raise UnreadableFacts("a downtime without a begin, or with an end before it")
    return GatewayDowntime(
        gateway=NAME,
        id=with_prefix("down", entity.get("id")),
        method=method,
        instrument=_instrument(entity.get("instrument")),
        severity=str(severity),
        status=str(status),
        is_scheduled=entity.get("scheduled") is True,
        begins_at=begins_at,
        ends_at=ends_at,
        reported_at=instant_from(entity, "updated_at") or instant_from(entity, "created_at") or begins_at,
    )


def downtimes_from(items: list[Any]) -> list[GatewayDowntime]:
    """Read a list of downtimes; one that cannot be read does not hide the others."""
    found = []
    for item in items:
        try:
            found.append(downtime_from(item))
        except UnreadableFacts as failure:
            log.warning("downtime_unreadable", failure=str(failure))
    return found


def downtime_event_from(payload: Any, event_type: str) -> GatewayDowntime:
    """
    Read the downtime of a webhook.

    :raises UnreadableFacts: if it cannot be read
    """
    entity = entity_of(payload, "payment.downtime") if isinstance(payload, dict) else None
    return downtime_from(entity, event_type=event_type)


def _instrument(value: Any) -> dict[str, str]:
    parts = value if isinstance(value, dict) else {}
    read = {ours: text_from(parts, name, 40).removeprefix("@") for name, ours in _INSTRUMENT.items() if parts.get(name)}
    return {name: text for name, text in sorted(read.items()) if text}
