"""
Reading Razorpay's combined reconciliation report, from its API and as CSV, and its settlements.

Amounts are paise in both; the notes, the card and the order of a line are left where they are. `fee` includes `tax`.
https://razorpay.com/docs/api/settlements/fetch-recon/
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from typing import IO, Any

from apps.core.clock import IST
from apps.payments.gateways import GatewaySettlement, SettlementRow, UnreadableFacts
from apps.payments.gateways.razorpay_facts import NAME, with_prefix

#: What a page of the report may hold at most.
PAGE = 1_000
_COLUMNS = frozenset(
    {"entity_id", "type", "debit", "credit", "amount", "fee", "tax", "settled_at", "settlement_id", "settlement_utr"}
)
_KINDS = frozenset({"payment", "refund", "adjustment", "transfer"})
_HIGHEST = 10**15
_WHOLE = re.compile(r"-?[0-9]{1,16}")
#: Every settlement lies between these instants: the year 2000 and the year 2100.
_FIRST, _LAST = 946_684_800, 4_102_444_800


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
        amount=_paise(entity, "amount", lowest=-_HIGHEST),
        status=_text(entity, "status", 20),
        utr=_text(entity, "utr", 60),
        created_at=_instant(entity, "created_at"),
    )


def settlement_day_from(raw: bytes) -> date | None:
    """Return the day in India of the settlement that a webhook tells of, or None if it tells of none."""
    try:
        envelope = json.loads(raw)
        if envelope.get("event") != "settlement.processed":
            return None
        created_at = settlement_from(envelope["payload"]["settlement"]["entity"]).created_at
    except (ValueError, RecursionError, AttributeError, KeyError, TypeError):
        return None
    return created_at.astimezone(IST).date() if created_at else None


def row_from(line: Any) -> SettlementRow | None:
    """
    Read a line of the report, from JSON or from CSV; None if it has not been settled yet.

    :raises UnreadableFacts: if it cannot be understood
    """
    if not isinstance(line, Mapping):
        raise UnreadableFacts("not an object")
    settlement_id = line.get("settlement_id")
    if not settlement_id or str(line.get("settled")).lower() == "false":
        return None
    kind = str(line.get("type"))
    if kind not in _KINDS:
        raise UnreadableFacts(f"a line that is a {kind[:20]!r}")
    settled_at = _instant(line, "settled_at")
    if settled_at is None:
        raise UnreadableFacts("no settled_at")
    return SettlementRow(
        settlement_id=with_prefix("setl", settlement_id),
        utr=_text(line, "settlement_utr", 60),
        settled_at=settled_at,
        entity_id=with_prefix("?", line.get("entity_id")),
        kind=kind,
        amount=_paise(line, "amount"),
        debit=_paise(line, "debit"),
        credit=_paise(line, "credit"),
        fee_amount=_paise(line, "fee"),
        tax_amount=_paise(line, "tax"),
        currency=(_text(line, "currency", 3) or "INR").upper(),
        entity_created_at=_instant(line, "created_at"),
        method=_text(line, "method", 20),
        gateway_payment_id=_text(line, "payment_id", 40),
        dispute_id=_text(line, "dispute_id", 40),
        description=_text(line, "description", 200),
    )


def rows_from_csv(stream: IO[bytes]) -> Iterator[SettlementRow | None]:
    """
    Yield the lines of a CSV file one by one, as `row_from` reads them; the file is never held as a whole.

    :raises UnreadableFacts: if a column is missing or a line cannot be understood; the message has the line's number
    """
    # Not closed with us: whoever opened the file closes it.
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    try:
        reader = csv.DictReader(text)
        reader.fieldnames = [(name or "").strip() for name in _header(reader)]
        missing = _COLUMNS - set(reader.fieldnames)
        if missing:
            raise UnreadableFacts(f"these columns are missing: {', '.join(sorted(missing))}")
        yield from _numbered(reader)
    finally:
        text.detach()


def _header(reader: "csv.DictReader[str]") -> Iterable[str]:
    try:
        return reader.fieldnames or ()
    except (UnicodeDecodeError, csv.Error) as failure:
        raise UnreadableFacts("it is no CSV file in UTF-8") from failure


def _numbered(reader: "csv.DictReader[str]") -> Iterator[SettlementRow | None]:
    try:
        for line in reader:
            yield row_from(line)
    except (UnreadableFacts, UnicodeDecodeError, csv.Error) as failure:
        raise UnreadableFacts(f"line {reader.line_num}: {failure}") from failure


def _paise(line: Mapping[str, Any], name: str, *, lowest: int = 0) -> int:
    value = line.get(name)
    if value in (None, ""):
        return 0
    # A float or "12.50" would be rupees, or a rounding that nobody has decided: neither is guessed at.
    amount = int(value) if isinstance(value, str) and _WHOLE.fullmatch(value) else value
    if isinstance(amount, bool) or not isinstance(amount, int) or not lowest <= amount <= _HIGHEST:
        raise UnreadableFacts(f"{name} is not in paise: {str(value)[:20]!r}")
    return amount


def _instant(line: Mapping[str, Any], name: str) -> datetime | None:
    value = line.get(name)
    if value in (None, ""):
        return None
    try:
        seconds = int(value)
    except (TypeError, ValueError, OverflowError):
        raise UnreadableFacts(f"{name} is no time: {str(value)[:20]!r}")
    if not _FIRST <= seconds <= _LAST:
        raise UnreadableFacts(f"{name} is no time: {str(value)[:20]!r}")
    return datetime.fromtimestamp(seconds, tz=UTC)


def _text(line: Mapping[str, Any], name: str, length: int) -> str:
    value = line.get(name)
    return value.replace("\x00", "").encode("utf-8", "ignore").decode()[:length] if isinstance(value, str) else ""
