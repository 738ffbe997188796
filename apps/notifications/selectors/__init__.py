"""Reads of notifications, and of what it takes every app to know: an order's timeline, the evidence for a dispute."""

from apps.notifications.selectors.dispute_evidence import Evidence, get_evidence
from apps.notifications.selectors.messages import (
    NotificationNotFound,
    TimelineEntry,
    count_unread,
    describe_timeline,
    get_in_app_message,
    has_duplicate,
    list_due,
    list_in_app_messages,
    list_notifications_of_event,
    list_notifications_of_order,
    list_notifications_to_user,
)

__all__ = [
    "Evidence",
    "NotificationNotFound",
    "TimelineEntry",
    "count_unread",
    "describe_timeline",
    "get_evidence",
    "get_in_app_message",
    "has_duplicate",
    "list_due",
    "list_in_app_messages",
    "list_notifications_of_event",
    "list_notifications_of_order",
    "list_notifications_to_user",
]
