"""Query parameters of notifications."""

from apps.core.errors import Invalid


class UnreadFilterNotValid(Invalid):
    """`unread` is neither true nor false. Send one of the two."""

    message = "unread is true or false."


def parse_unread(text: str | None) -> bool | None:
    """
    Return the filter that a client asked for, or None.

    :raises UnreadFilterNotValid: if it is neither true nor false
    """
    if text is None:
        return None
    if text not in ("true", "false"):
        raise UnreadFilterNotValid(param="unread")
    return text == "true"
