"""Downtimes of payment methods."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sandbox.json_types import JsonObject


@dataclass(kw_only=True)
class PaymentDowntime:
    """
    A time in which a method, or an instrument of it, fails more often than usual; times in Unix seconds.

    `end` is known for scheduled downtimes alone; `instrument` is what fails, such as a bank or the handle of UPI ids.
    """

    id: str
    method: str
    begin: int
    end: int | None
    status: Literal["scheduled", "started", "updated", "resolved"]
    scheduled: bool
    severity: str
    created_at: int
    updated_at: int
    instrument: dict[str, str] = field(default_factory=dict)

    def to_wire(self) -> JsonObject:
        return {
            "id": self.id,
            "entity": "payment.downtime",
            "method": self.method,
            "begin": self.begin,
            "end": self.end,
            "status": self.status,
            "scheduled": self.scheduled,
            "severity": self.severity,
            "instrument": dict(self.instrument),
            "created_at": self.created_at,
            "updated_at": self.updated_at,
        }
