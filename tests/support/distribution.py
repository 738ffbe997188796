"""
Which tests run in the same worker when several share a run, and which begin first.

The tests of faults share one running stack, which takes half a minute to start: they are one unit of work, and so are those of
the benchmark and of the replica. Every other test is a unit of its own. The longest unit is handed out first, while the other
workers run the rest.
"""

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

#: What stays in one worker, by the longest beginning of a test's id: files and folders.
GROUPS = {
    "tests/bench/": "benchmark shop",
    "tests/faults/": "running stack",
    "tests/faults/replica/": "replica",
    "tests/faults/test_slow_clients.py": "slow clients",
}


def unit_of(nodeid: str) -> str:
    """Return the name of the unit of work that a test belongs to: its group, or the test itself."""
    fitting = [start for start in GROUPS if nodeid.startswith(start)]
    return GROUPS[max(fitting, key=len)] if fitting else nodeid


class GroupScheduling(LoadScopeScheduling):
    """Hand out each group as a whole, and every other test alone."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> GroupScheduling | None:
    """
    Replace xdist's own grouping, which has no effect with pytest 9.2.

    It appends the mark's name to the id of the test, which pytest no longer reads. Here the id alone says the group.
    """
    return GroupScheduling(config, log) if config.getoption("dist") == "loadgroup" else None
