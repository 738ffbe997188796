"""Texts about imports that staff and operators read."""

from datetime import datetime

from apps.core.dates import format_instant


def already_imported(public_id: str, completed_at: datetime) -> str:
    """Return that a file is known."""
    return f"This file was imported already on {format_instant(completed_at)} ({public_id}); nothing was added."


def exceptions_opened(count: int) -> str:
    """Return how many exceptions an import opened, and where they are."""
    if not count:
        return "No exception was opened."
    opened = "1 exception was opened" if count == 1 else f"{count:,} exceptions were opened"
    return f"{opened}: see Reconciliation exceptions in the back office (/admin/ledger/reconciliationexception/?state=open)."


def why_import_failed(error: str) -> str:
    """Return why an import failed, as sentences; what is stored is a clause, or the name of an error if it was interrupted."""
    if error.isidentifier():
        return f"It was interrupted ({error}). Import it again: it continues where it stopped."
    return f"It could not be imported: {error.rstrip('.')}."
