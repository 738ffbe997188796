"""How lists of people are cut into pages."""

from apps.core.api import KeysetPagination


class CustomerPagination(KeysetPagination):
    """Pages of people, the newest first: ids begin with the time, so that the index of the primary key sorts them."""

    sorts = {"created_at": "id"}
