"""Audits of recent changes next to the whole audits of tests: what is planted must be found by both, and what is old by none."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from apps.core import audit
from apps.core.audit import Reads, Report

#: Before anything happened: all that has events is recent.
EVER = datetime(2000, 1, 1, tzinfo=UTC)
#: After all that happened: nothing is recent.
NEVER = datetime(2100, 1, 1, tzinfo=UTC)
#: They also find reservations that are of no order, and so have no events.
_FIND_MORE = frozenset({"INV-04", "INV-05b"})


def compare_with_recent(run: Callable[..., Report]) -> Callable[..., Report]:
    """Return an audit that fails if an audit of all that has events finds other violations of single orders and rows."""

    def run_both(**options: Any) -> Report:
        whole = run(**options)
        recent = run(**options | {"since": EVER, "on_result": None})
        expected = {result.invariant.id: result.count for result in whole.results if _is_compared(result)}
        found = {result.invariant.id: (result.count, result.error) for result in recent.results if _is_compared(result)}
        assert found == {name: (count, "") for name, count in expected.items()}
        return whole

    return run_both


def _is_compared(result: audit.Result) -> bool:
    invariant = result.invariant
    is_about_changes = invariant.reads in {Reads.ONE_ORDER, Reads.ONE_ROW} and invariant.id not in _FIND_MORE
    return is_about_changes and not result.error
