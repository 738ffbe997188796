"""Handler runs that a test carries out by itself."""

from datetime import datetime
from uuid import UUID

from apps.core import handler_runs


def run_handler(handler_run_id: UUID, *, now: datetime | None = None) -> bool:
    """Carry out one handler run as a hint of its own would, and return whether it is done."""
    return handler_runs.run_handlers([handler_run_id], now=now) == 1
