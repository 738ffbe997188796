"""Downtimes of payment methods, as the gateway reports them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from apps.core import clock
from apps.core.events import gateway_actor
from apps.payments.facts import GatewayDowntime
from apps.payments.models import PaymentDowntime
from apps.payments.services import downtimes
from tests.factories.payments import new_gateway_id

BEGAN = datetime(2026, 11, 21, 5, 20, tzinfo=UTC)


def make_gateway_downtime(**fields: Any) -> GatewayDowntime:
    """Return what the gateway says of a downtime: of all of UPI, high, begun at 10:50 in India on 21 November 2026."""
    values: dict[str, Any] = {
        "gateway": "razorpay",
        "id": fields.pop("id", None) or new_gateway_id("down"),
        "method": "upi",
        "instrument": {},
        "severity": "high",
        "status": "started",
        "is_scheduled": False,
        "begins_at": BEGAN,
        "ends_at": None,
        "reported_at": BEGAN,
    }
    return GatewayDowntime(**{**values, **fields})


def make_downtime(**fields: Any) -> PaymentDowntime:
    """Return a downtime that the gateway has reported."""
    return downtimes.apply_gateway_downtime(
        facts=make_gateway_downtime(**fields), actor=gateway_actor("razorpay"), now=clock.now()
    )


def downtime_body(what: str = "started", **entity: Any) -> bytes:
    """Return the body of a webhook about a downtime, as Razorpay documents it."""
    begun = int(BEGAN.timestamp())
    told = {
        "id": "down_F1Zppa6lcVheSE",
        "entity": "payment.downtime",
        "method": "netbanking",
        "begin": begun,
        "end": None,
        "status": what,
        "scheduled": False,
        "severity": "high",
        "instrument": {"bank": "VIJB"},
        "instrument_schema": ["bank"],
        "created_at": begun,
        "updated_at": begun,
        **entity,
    }
    return json.dumps(
        {
            "entity": "event",
            "event": f"payment.downtime.{what}",
            "contains": ["payment.downtime"],
            "payload": {"payment.downtime": {"entity": told}},
            "created_at": begun,
        }
    ).encode()


def later(minutes: int) -> datetime:
    """Return an instant some minutes after the downtime began."""
    return BEGAN + timedelta(minutes=minutes)
