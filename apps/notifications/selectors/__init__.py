"""Reads of notifications, and of what it takes every app to know: an order's timeline, the evidence for a dispute."""

from apps.notifications.selectors.dispute_evidence import (
    get_evidence,
)

__all__ = [
    "get_evidence",
]
