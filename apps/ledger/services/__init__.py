"""Writes of the ledger that other apps use."""

from apps.ledger.services.accounts import SUSPENSE, NewAccount, open_accounts, set_up_reference_data
from apps.ledger.services.exceptions import (
    NoteRequired,
    close_exception,
    open_exception,
    open_exception_once,
    open_exceptions,
    resolve_exception,
)
from apps.ledger.services.postings import NewPosting, post_all_to_ledger, post_to_ledger
from apps.ledger.services.resolvers import ExceptionResolver, register_resolver

__all__ = [
    "SUSPENSE",
    "ExceptionResolver",
    "NewAccount",
    "NewPosting",
    "NoteRequired",
    "close_exception",
    "open_accounts",
    "open_exception",
    "open_exception_once",
    "open_exceptions",
    "post_all_to_ledger",
    "post_to_ledger",
    "register_resolver",
    "resolve_exception",
    "set_up_reference_data",
]
