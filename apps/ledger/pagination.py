"""How lists of exceptions are cut into pages."""

from apps.core.api import KeysetPagination


class ExceptionPagination(KeysetPagination):
    """Pages of exceptions, those opened last first."""

    sorts = {"opened_at": "opened_at"}
    default = "-opened_at"
