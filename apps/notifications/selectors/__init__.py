"""Reads of notifications, and of what it takes every app to know: an order's timeline, the proof of a sale."""

from apps.notifications.selectors.dispute_evidence import Evidence, get_evidence
from apps.notifications.selectors.messages import (
    NotificationNotFound,
    TimelineEntry,
    count_unread,
    describe_timeline,
    get_in_app,
    list_due,
    list_in_app,
    list_of_event,
    list_of_order,
    list_to_user,
    was_said,
)

__all__ = [
    "Evidence",
    "NotificationNotFound",
    "TimelineEntry",
    "count_unread",
    "describe_timeline",
    "get_evidence",
    "get_in_app",
    "list_due",
    "list_in_app",
    "list_of_event",
    "list_of_order",
    "list_to_user",
    "was_said",
]
