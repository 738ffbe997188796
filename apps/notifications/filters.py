"""Query parameters of notifications."""

from apps.core.errors import Invalid


class BadUnreadFilter(Invalid):
    message = "unread is true or false."


def read_unread(text: str | None) -> bool | None:
    """
    Return the filter that a client asked for, or None.

    :raises BadUnreadFilter: if it is neither true nor false
    """
    if text is None:
        return None
    if text not in ("true", "false"):
        raise BadUnreadFilter(param="unread")
    return text == "true"
