"""Metrics -> reads: the gauges that apps add to `/metrics`, each with its meaning; None leaves one out."""

from collections.abc import Callable
from dataclasses import dataclass

from apps.payments import selectors as payments


@dataclass(frozen=True)
class Gauge:
    """One number of `/metrics`, read at each request."""

    name: str
    statement: str
    read: Callable[[], float | None]


def _last_webhook() -> float | None:
    at = payments.last_webhook_at()
    return at.timestamp() if at else None


GAUGES: tuple[Gauge, ...] = (
    Gauge(
        name="bahi_webhook_last_received_timestamp_seconds",
        statement="When the last webhook of a gateway arrived, in seconds since 1970.",
        read=_last_webhook,
    ),
)
