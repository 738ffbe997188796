"""What lists of notifications can be narrowed by."""

from apps.core.api import QueryFilterSet, ReadFilter
from apps.core.api.filters import BOOLEAN
from apps.core.errors import Invalid


class InvalidUnreadFilter(Invalid):
    """`unread` is neither true nor false. Send one of the two."""

    message = "unread is true or false."


def _read_unread(text: str) -> bool:
    if text not in ("true", "false"):
        raise InvalidUnreadFilter(param="unread")
    return text == "true"


class NotificationFilterSet(QueryFilterSet):
    """Filters by whether a message was read."""

    unread = ReadFilter(
        field_name="read_at",
        lookup_expr="isnull",
        read=_read_unread,
        schema=BOOLEAN,
        description="Only unread messages, or only read ones.",
    )
