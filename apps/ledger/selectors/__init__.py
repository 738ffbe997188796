"""Queries of the ledger that other apps use."""

from apps.ledger.selectors.exceptions import (
    count_open_exceptions,
    find_exception_of_fact,
    list_exceptions,
    list_exceptions_after,
    search_exceptions,
)
from apps.ledger.selectors.transactions import (
    balance_of,
    count_postings,
    get_account_statement,
    has_accounts,
    list_balances,
    list_entries_of_order,
    list_ledger_of_order,
    sum_posted,
)

__all__ = [
    "balance_of",
    "count_open_exceptions",
    "count_postings",
    "find_exception_of_fact",
    "get_account_statement",
    "has_accounts",
    "list_balances",
    "list_entries_of_order",
    "list_exceptions",
    "list_exceptions_after",
    "list_ledger_of_order",
    "search_exceptions",
    "sum_posted",
]
