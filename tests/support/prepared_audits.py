"""Audits of the tests as prepared statements: most tests end with one, and Postgres would plan 160 queries each time."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from unittest import mock

from apps.core import audit, prepared

#: More than invariants and the product's own prepared statements together, so that none is dropped for another.
_MAX_PREPARED = 600


def install() -> None:
    """Have every audit of this process run prepared, with plans that are kept."""
    take_snapshot, execute = audit._take_snapshot, audit._execute
    is_prepared = False

    def take_snapshot_and_keep_plans(cursor: Any, *, is_read_only: bool) -> None:
        nonlocal is_prepared
        take_snapshot(cursor, is_read_only=is_read_only)
        # An audit of recent changes hides tables, and a kept plan would read these all the same.
        is_prepared = is_read_only
        cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")

    def execute_prepared(sql: str, cursor: Any, now: datetime) -> Sequence[dict[str, Any]]:
        return prepared.fetch_all(sql, {"now": now}) if is_prepared else execute(sql, cursor, now)

    for module, name, value in (
        (prepared, "_MAX_PREPARED", _MAX_PREPARED),
        (audit, "_take_snapshot", take_snapshot_and_keep_plans),
        (audit, "_execute", execute_prepared),
    ):
        mock.patch.object(module, name, value).start()
