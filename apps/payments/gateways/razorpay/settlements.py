"""
Reads Razorpay's combined reconciliation report and its settlements from the API.

Amounts are in paise. The notes, the card and the order of a line are not read. `fee` includes `tax`.
https://razorpay.com/docs/api/settlements/fetch-recon/
"""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from apps.core.clock import IST
from apps.payments.facts import (
    HIGHEST,
    GatewaySettlement,
    SettlementRow,
    UnreadableFacts,
    instant_from,
    text_from,
    with_prefix,
)
from apps.payments.gateways.razorpay.entities import NAME

#: The maximum number of lines of a page of the report.
PAGE = 1_000
#: Of these only the first is in the documents: a failure is usually found by asking.
_SETTLEMENT_EVENTS = frozenset({"settlement.processed", "settlement.failed"})
_KINDS = frozenset({"payment", "refund", "adjustment", "transfer", "reversal"})
_OTHER = "other"
_NOT_SETTLED = frozenset({"false", "no", "0"})
_ID = re.compile(r"[A-Za-z0-9_]{1,34}")
_WHOLE = re.compile(r"-?[0-9]{1,16}")


def settlement_from(entity: Any) -> GatewaySettlement:
    """
    Read a settlement.

    :raises UnreadableFacts: if it has no id or amount
    """
    if not isinstance(entity, Mapping):
        raise UnreadableFacts("not an object")
    return GatewaySettlement(
        gateway=NAME,
        id=with_prefix("setl", entity.get("id")),
        amount=_paise(entity, "amount", lowest=-HIGHEST),
        status=text_from(entity, "status", 20),
        utr=text_from(entity, "utr", 60),
        created_at=instant_from(entity, "created_at"),
    )


def settlement_day_from(raw: bytes) -> date | None:
    """Return the day in India of the settlement that a webhook reports, or None if it reports none."""
    try:
        envelope = json.loads(raw)
        if envelope.get("event") not in _SETTLEMENT_EVENTS:
            return None
        created_at = settlement_from(envelope["payload"]["settlement"]["entity"]).created_at
    except (ValueError, RecursionError, AttributeError, KeyError, TypeError):
        return None
    return created_at.astimezone(IST).date() if created_at else None


def row_from(
    line: Any,
    *,
    amount_from: Callable[[Any, str], int] | None = None,
    time_from: Callable[[Any, str], datetime | None] | None = None,
    is_fee_net: bool = False,
) -> SettlementRow | None:
    """
    Read a line of the report, from the API or from a file with the API's names; None if it is not settled yet.

    `amount_from` and `time_from` read the fields of a line whose amounts are not in paise or whose times are not in
    Unix seconds; `is_fee_net` says that its fee excludes GST. A line of an unknown kind is `other`.

    :raises UnreadableFacts: if it cannot be parsed
    """
    amount_from, time_from = amount_from or _paise, time_from or instant_from
    if not isinstance(line, Mapping):
        raise UnreadableFacts("not an object")
    settlement_id = line.get("settlement_id")
    if not settlement_id or str(line.get("settled")).strip().lower() in _NOT_SETTLED:
        return None
    reported_kind = text_from(line, "type", 40).strip().lower()
    kind = reported_kind if reported_kind in _KINDS else _OTHER
    settled_at = time_from(line, "settled_at")
    if settled_at is None:
        raise UnreadableFacts("no settled_at")
    fee, tax = amount_from(line, "fee"), amount_from(line, "tax")
    row = SettlementRow(
        settlement_id=with_prefix("setl", settlement_id),
        utr=text_from(line, "settlement_utr", 60),
        settled_at=settled_at,
        entity_id=with_prefix("?", line.get("entity_id")) if kind != _OTHER else "",
        kind=kind,
        amount=amount_from(line, "amount"),
        debit=amount_from(line, "debit"),
        credit=amount_from(line, "credit"),
        fee_amount=fee + tax if is_fee_net else fee,
        tax_amount=tax,
        currency=(text_from(line, "currency", 3) or "INR").upper(),
        entity_created_at=time_from(line, "created_at"),
        method=text_from(line, "method", 20),
        gateway_payment_id=text_from(line, "payment_id", 40),
        dispute_id=text_from(line, "dispute_id", 40),
        description=text_from(line, "description", 200),
        reported_kind=reported_kind,
        credit_type=text_from(line, "credit_type", 20).strip().lower(),
    )
    return row if kind != _OTHER else row._replace(entity_id=_id_of_unknown(row, line.get("entity_id")))


def _id_of_unknown(row: SettlementRow, value: Any) -> str:
    """
    Return the entity id of a line of an unknown kind, or a hash of its values if it has none.

    The same line has the same hash in the API and in a file. The hash uses only the day of its time, because a program
    that saved the report may have dropped the rest.
    """
    if isinstance(value, str) and _ID.fullmatch(value):
        return value
    said = (
        row.settlement_id,
        row.reported_kind,
        row.amount,
        row.debit,
        row.credit,
        row.fee_amount,
        row.entity_created_at and row.entity_created_at.astimezone(IST).date().isoformat(),
    )
    return f"line_{hashlib.sha256(repr(said).encode()).hexdigest()[:24]}"


def _paise(line: Mapping[str, Any], name: str, *, lowest: int = 0) -> int:
    value = line.get(name)
    if value in (None, ""):
        return 0
    # A float or "12.50" may be rupees or need rounding: both are rejected.
    amount = int(value) if isinstance(value, str) and _WHOLE.fullmatch(value) else value
    if isinstance(amount, bool) or not isinstance(amount, int) or not lowest <= amount <= HIGHEST:
        raise UnreadableFacts(f"{name} is not in paise: {str(value)[:20]!r}")
    return amount
