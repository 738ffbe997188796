"""Writes of the ledger that other apps use."""

from apps.ledger.services.accounts import SUSPENSE, NewAccount, open_accounts, set_up_reference_data
from apps.ledger.services.exceptions import (
    NewException,
    NoteRequired,
    close_exception,
    open_exception,
    open_exception_once,
    open_exceptions,
    open_exceptions_once,
    resolve_exception,
)
from apps.ledger.services.postings import NewPosting, post_all_to_ledger, post_to_ledger
from apps.ledger.services.resolvers import ExceptionResolver, register_resolver

__all__ = [
    "SUSPENSE",
    "ExceptionResolver",
    "NewAccount",
    "NewException",
    "NewPosting",
    "NoteRequired",
    "close_exception",
    "open_accounts",
    "open_exception",
    "open_exception_once",
    "open_exceptions",
    "open_exceptions_once",
    "post_all_to_ledger",
    "post_to_ledger",
    "register_resolver",
    "resolve_exception",
    "set_up_reference_data",
]
