"""How the description of the API presents downtimes of payment methods."""

from typing import Any

from drf_spectacular.utils import extend_schema_view

from apps.core.api.schema import operation, page_example

DOWNTIME_EXAMPLE: dict[str, Any] = {
    "id": "dwn_01jf3z8k4qe7tv2w9x0y1z2a3b",
    "object": "payment_downtime",
    "method": "upi",
    "instrument": {"vpa_handle": "oksbi"},
    "severity": "high",
    "status": "started",
    "is_scheduled": False,
    "message": "UPI payments from IDs that end in @oksbi may fail at the moment. Use a card or net banking instead.",
    "offer": ["card", "netbanking"],
    "begins_at": "2026-11-21T05:20:00.000Z",
    "ends_at": None,
    "created_at": "2026-11-21T05:20:04.000Z",
    "updated_at": "2026-11-21T05:20:04.000Z",
    "version": 1,
}

describe_downtimes = extend_schema_view(
    list=operation(
        "list_payment_downtimes",
        "List downtimes of payment methods",
        description="Those under way and to come, as the gateway reports them; the latest to begin first.",
        examples=[page_example(DOWNTIME_EXAMPLE)],
    ),
)
