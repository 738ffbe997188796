"""The notes that a merchant adds to an order, a payment, a refund, a link or a code."""

from __future__ import annotations

Notes = dict[str, object]


def format_notes(notes: Notes) -> Notes | list[object]:
    """Return notes as Razorpay sends them: an empty object comes as an empty list."""
    return dict(notes) if notes else []
