"""Reading requests as strictly as Razorpay does."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from werkzeug.wrappers import Request

from sandbox.json_types import JsonObject
from sandbox.razorpay.entities import Notes
from sandbox.razorpay.errors import Refused, UnknownId

_ID = re.compile(r"[a-z]+_[A-Za-z0-9]{14}")
_PHONE = re.compile(r"(?:\+?91)?([6-9]\d{9})")
_EARLIEST, _LATEST = 946_684_800, 4_765_046_400
_MAX_NOTES, _MAX_NOTE_LENGTH, _MAX_RECEIPT = 15, 256, 40
_LOWEST_AMOUNT = 100
_DEFAULT_PAGE, _MAX_PAGE = 10, 100


class _HasTime(Protocol):
    created_at: int


T = TypeVar("T")
Row = TypeVar("Row", bound=_HasTime)


def read_json(request: Request) -> JsonObject:
    """
    Return the body of a POST or PATCH as an object; an empty body is an empty object.

    :raises Refused: if it is not a JSON object
    """
    raw = request.get_data()
    if not raw.strip():
        return {}
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise Refused("The request body is not valid JSON.") from error
    if not isinstance(body, dict):
        raise Refused("The request body must be an object.")
    return body


def refuse_extra_fields(body: JsonObject, allowed: Collection[str]) -> None:
    """
    Check that the body has only fields that this call knows.

    :raises Refused: if there is another
    """
    extra = [name for name in body if name not in allowed]
    if extra:
        raise Refused(
            f"{', '.join(extra)} is/are not required and should not be sent",
            reason="extra_field_sent",
            field=extra[0],
        )


def read_amount(body: JsonObject, *, step: str = "payment_initiation") -> int:
    """
    Return `amount` in paise.

    :raises Refused: if it is missing, no integer or below one rupee
    """
    if body.get("amount") is None:
        raise Refused("amount: is required.", field="amount", step=step)
    amount = body["amount"]
    if isinstance(amount, bool) or not isinstance(amount, int):
        raise Refused("The amount must be an integer.", field="amount", step=step)
    if amount < _LOWEST_AMOUNT:
        raise Refused("The amount must be at least INR 1.00", field="amount", step=step)
    return amount


def read_order_amount(body: JsonObject) -> int:
    """
    Return the `amount` of an order in paise.

    :raises Refused: as `read_amount`, but for an amount below one rupee as Razorpay documents it of orders
    """
    amount = body.get("amount")
    if isinstance(amount, int) and not isinstance(amount, bool) and amount < _LOWEST_AMOUNT:
        raise Refused(
            "Order amount less than minimum amount allowed",
            field="amount",
            reason="amount_less_than_minimum_amount",
            step="order_creation",
        )
    return read_amount(body, step="order_creation")


def read_currency(body: JsonObject) -> str:
    """
    Return the currency.

    :raises Refused: if it is missing or not INR, the only one that this account takes
    """
    currency = body.get("currency")
    if currency is None:
        raise Refused("The currency field is required.", field="currency")
    if currency != "INR":
        raise Refused("Currency is not supported", field="currency")
    return "INR"


def require_text(body: JsonObject, name: str, *, longest: int) -> str:
    """
    Return a text that must be there.

    :raises Refused: if it is missing, no text, or too long
    """
    value = read_text(body, name, longest=longest)
    if value is None:
        raise Refused(f"The {name} field is required.", field=name)
    return value


def read_text(body: JsonObject, name: str, *, longest: int) -> str | None:
    """
    Return a text, or None if it is missing.

    :raises Refused: if it is no text, or too long
    """
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise Refused(f"The {name} must be a string.", field=name)
    if len(value) > longest:
        raise Refused(f"The {name} may not be greater than {longest} characters.", field=name)
    return value


def read_receipt(body: JsonObject) -> str | None:
    return read_text(body, "receipt", longest=_MAX_RECEIPT)


def read_notes(body: JsonObject) -> Notes:
    """
    Return the notes; an empty list is none.

    :raises Refused: if they are no flat object of at most 15 keys with values of at most 256 characters
    """
    notes = body.get("notes")
    if notes is None or notes == []:
        return {}
    if not isinstance(notes, dict):
        raise Refused("The notes must be an array.", field="notes")
    if len(notes) > _MAX_NOTES:
        raise Refused(f"Number of fields in notes should be less than or equal to {_MAX_NOTES}", field="notes")
    for value in notes.values():
        if isinstance(value, (dict, list)) or len(str(value)) > _MAX_NOTE_LENGTH:
            raise Refused("The notes values must be texts of at most 256 characters.", field="notes")
    return dict(notes)


def read_flag(body: JsonObject, name: str) -> bool:
    """
    Return a flag, which is false if it is missing.

    :raises Refused: if it is neither true, false, 0 nor 1
    """
    value = body.get(name, False)
    if value not in (True, False):
        raise Refused(f"The {name} field must be true or false.", field=name)
    return bool(value)


def read_contact(body: JsonObject) -> str:
    """
    Return the phone number as +91 and ten digits.

    :raises Refused: if it is missing or no Indian mobile number
    """
    contact = require_text(body, "contact", longest=20)
    match = _PHONE.fullmatch(re.sub(r"[\s-]", "", contact))
    if match is None:
        raise Refused("Contact number is invalid.", field="contact")
    return f"+91{match[1]}"


def find_entity(table: dict[str, T], entity_id: str, prefix: str) -> T:
    """
    Return the row with an id.

    :raises Refused: if the id is malformed, of another kind, or of nothing
    """
    if not _ID.fullmatch(entity_id) or not entity_id.startswith(f"{prefix}_"):
        raise Refused(f"{entity_id} is not a valid id")
    if entity_id not in table:
        raise UnknownId
    return table[entity_id]


def read_number(request: Request, name: str, default: int, lowest: int, highest: int) -> int:
    """
    Return a parameter of the query, or `default` if it is missing.

    :raises Refused: if it is no whole number from `lowest` to `highest`
    """
    text = request.args.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"\d{1,12}", text):
        raise Refused(f"The {name} must be an integer.", field=name)
    number = int(text)
    if lowest == _EARLIEST and not lowest <= number <= highest:
        raise Refused(f"{name} must be between {lowest} and {highest}.", field=name)
    if number < lowest:
        raise Refused(f"The {name} must be at least {lowest}.", field=name)
    if number > highest:
        raise Refused(f"The {name} may not be greater than {highest}.", field=name)
    return number


def cut_page(request: Request, rows: Iterable[Row], *, extra: Collection[str] = ()) -> list[Row]:
    """
    Cut one page out of rows that come newest first, by `from`, `to`, `count` and `skip`.

    :raises Refused: if a parameter is unknown or out of range
    """
    refuse_extra_fields(dict(request.args), {"from", "to", "count", "skip", *extra})
    first = read_number(request, "from", 0, _EARLIEST, _LATEST)
    last = read_number(request, "to", _LATEST, _EARLIEST, _LATEST)
    count = read_number(request, "count", _DEFAULT_PAGE, 1, _MAX_PAGE)
    skip = read_number(request, "skip", 0, 0, 10**9)

    wanted = [row for row in rows if first <= row.created_at <= last]
    return wanted[skip : skip + count]


def as_collection(items: Sequence[Mapping[str, object]]) -> JsonObject:
    return {"entity": "collection", "count": len(items), "items": items}
