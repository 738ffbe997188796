"""How the events of an order are cut into pages."""

from apps.core.api import KeysetPagination


class TimelinePagination(KeysetPagination):
    """Pages of events, the oldest first."""

    sorts = {"at": "created_at"}
    default = "at"
