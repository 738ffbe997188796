"""Settlements and what changes them: amounts in paise, times in Unix seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict

from sandbox.json_types import JsonObject


@dataclass(kw_only=True)
class Adjustment:
    """
    A correction of the merchant's balance in paise: below zero it was taken, above zero it was returned.

    `kind` is what its line says, for transfers to linked accounts and for kinds that the API's documents do not name; `fee` and
    the `tax` in it are part of what was taken. It may be about no payment, and about what is in no table.
    """

    id: str
    amount: int
    currency: str
    created_at: int
    description: str
    payment_id: str | None = None
    dispute_id: str | None = None
    settlement_id: str | None = None
    kind: str = "adjustment"
    credit_type: str = "default"
    fee: int = 0
    tax: int = 0


class ReportLine(TypedDict, total=False):
    """A line of the reconciliation report, as the API returns it; what does not apply to its kind is null."""

    entity_id: str
    type: str
    debit: int
    credit: int
    amount: int
    currency: str
    fee: int
    tax: int
    on_hold: bool
    settled: bool
    created_at: int
    settled_at: int
    settlement_id: str
    posted_at: int | None
    credit_type: str
    description: str | None
    notes: str | None
    payment_id: str | None
    settlement_utr: str
    order_id: str | None
    order_receipt: str | None
    method: str | None
    card_network: str | None
    card_issuer: str | None
    card_type: str | None
    dispute_id: str | None


class PlantedError(TypedDict):
    """An error that was put into a report on purpose, and the line or settlement in which it is."""

    kind: str
    settlement_id: str
    entity_id: str


@dataclass(kw_only=True)
class Settlement:
    """
    One transfer to the merchant's bank; amounts in paise.

    `rows` are the lines of its report as the API returns them, `planted` the errors in them. A synthetic settlement has
    no rows of its own: `recipe` says how to make them again, and `lines` how many there are.
    """

    id: str
    amount: int
    fees: int
    tax: int
    utr: str
    created_at: int
    lines: int
    status: Literal["created", "processed", "failed"] = "processed"
    rows: list[ReportLine] = field(default_factory=list)
    planted: list[PlantedError] = field(default_factory=list)
    recipe: dict[str, Any] | None = None

    def to_wire(self) -> JsonObject:
        return {
            "id": self.id,
            "entity": "settlement",
            "amount": self.amount,
            "status": self.status,
            "fees": self.fees,
            "tax": self.tax,
            "utr": self.utr,
            "created_at": self.created_at,
        }
