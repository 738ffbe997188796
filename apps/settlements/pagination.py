"""How lists of settlements and of their lines are cut into pages."""

from apps.core.api import KeysetPagination


class SettlementPagination(KeysetPagination):
    """Pages of settlements, the newest first."""

    sorts = {"settled_at": "settled_at"}
    default = "-settled_at"


class SettlementLinePagination(KeysetPagination):
    """Pages of lines in the order of the report."""

    sorts = {"id": "id"}
    default = "id"


class BankStatementPagination(KeysetPagination):
    """Pages of imports of bank statements, the newest first."""

    sorts = {"created_at": "created_at"}
    default = "-created_at"
