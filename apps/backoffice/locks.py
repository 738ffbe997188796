"""The lock of the projections: one row, since each sum has parts of many orders."""

from apps.backoffice.models import ProjectionState
from apps.core.rows import find_row


def lock_projections(*, is_waiting: bool) -> ProjectionState | None:
    """
    Lock the projections for a writer and return their state.

    :param is_waiting: False to return None if another writer holds it
    """
    skip = "" if is_waiting else " SKIP LOCKED"
    return find_row(ProjectionState, f"FOR NO KEY UPDATE{skip}", [])
