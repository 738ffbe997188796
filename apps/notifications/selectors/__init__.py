"""Reads of notifications."""

from apps.notifications.selectors.messages import list_notifications_of_order

__all__ = ["list_notifications_of_order"]
