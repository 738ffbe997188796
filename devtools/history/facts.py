"""What the journal keeps of an answer: the facts that the checker compares, and none of the rest."""

from __future__ import annotations

from typing import Any

_KEPT: dict[str, tuple[str, ...]] = {
    "order": (
        "id", "object", "number", "customer_id", "status", "payment_status", "total_amount", "paid_amount", "refunded_amount",
        "version", "note",
    ),
    "payment": ("id", "object", "order_id", "status", "amount", "gateway_order_id", "version"),
    "refund": (
        "id", "object", "order_id", "payment_id", "status", "amount", "gateway_refund_id", "transfer_reference", "note", "version",
    ),
    "invoice": ("id", "object", "number", "order_id", "status", "total_amount"),
    "variant": ("id", "object"),
}  # fmt: skip
_NESTED = {
    "lines": ("id", "variant_id", "quantity"),
    "attempts": ("gateway_payment_id", "status", "amount"),
}


def keep_facts(body: Any) -> Any:
    """Return an answer with the facts that the checker compares; an error is kept whole."""
    if not isinstance(body, dict) or body.keys() == {"error"}:
        return body
    if isinstance(body.get("data"), list):
        return {"object": "list", "data": [keep_facts(each) for each in body["data"]]}
    kept = {name: body[name] for name in _KEPT.get(body.get("object", ""), ("id", "object")) if name in body}
    if body.get("object") in ("order", "payment"):
        for name, fields in _NESTED.items():
            if isinstance(body.get(name), list):
                kept[name] = [{field: each[field] for field in fields} for each in body[name]]
    return kept
