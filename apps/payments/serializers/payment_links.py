"""Examples of payments by payment link and by QR code; their schema is that of any payment."""

from typing import Any

from apps.payments.serializers.payments import STARTED_EXAMPLE

LINK_STARTED_EXAMPLE: dict[str, Any] = {
    **STARTED_EXAMPLE,
    "channel": "payment_link",
    "live_until": "2026-11-22T05:30:00.000Z",
}
LINK_READY_EXAMPLE: dict[str, Any] = {
    **LINK_STARTED_EXAMPLE,
    "gateway_link_id": "plink_NQxm5Tz9KcV2Lh",
    "next_action": {
        "type": "payment_link",
        "url": "https://rzp.io/i/nxrHnLJ",
        "expires_at": "2026-11-22T05:30:00.000Z",
    },
    "version": 2,
}
QR_STARTED_EXAMPLE: dict[str, Any] = {**STARTED_EXAMPLE, "channel": "qr_code", "live_until": "2026-11-21T07:30:00.000Z"}
QR_READY_EXAMPLE: dict[str, Any] = {
    **QR_STARTED_EXAMPLE,
    "gateway_link_id": "qr_NQxn8Wd3HfYk5p",
    "next_action": {
        "type": "qr_code",
        "image_url": "https://rzp.io/i/BWcUVrLp",
        "expires_at": "2026-11-21T07:30:00.000Z",
    },
    "version": 2,
}
