"""
What Bahi can do, row by row (`docs/capabilities.yaml`), and the check that the tests which prove a row have passed.

A row that works, or works in part, names its tests. A run in which one of them failed or was skipped fails, and so does a
whole run in which one was missing: otherwise a row would go on saying that something works after its test has gone.
"""

import ast
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

FILE = "docs/capabilities.yaml"
STATES = ("works", "partly", "absent")
_OK_OR_FAILED = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)


@dataclass(frozen=True)
class Capability:
    """
    One row: what Bahi does, or is to do.

    `missing` says what is not there of a row that does not wholly work; `tests` are pytest ids of functions, classes or files.
    """

    id: str
    does: str
    state: str
    tests: tuple[str, ...] = ()
    missing: str = ""


def read_capabilities(root: Path) -> dict[str, list[Capability]]:
    """Return the rows of the file by area; a field that is not known, or missing, is an error."""
    areas = yaml.safe_load((root / FILE).read_text())
    return {
        area: [Capability(**{**row, "tests": tuple(row.get("tests", ()))}) for row in rows]
        for area, rows in areas.items()
    }


def find_faults(rows: Iterable[Capability]) -> list[str]:
    """Return a sentence for each row that does not say what its state demands."""
    found = []
    for row in rows:
        if row.state not in STATES:
            found.append(f"{row.id}: the state {row.state} is not known")
        if (row.state == "absent") == bool(row.tests):
            found.append(f"{row.id}: what works has tests, and what is absent has none")
        if (row.state == "works") == bool(row.missing):
            found.append(f"{row.id}: what does not wholly work says what is missing, and what works does not")
    return found


def is_defined(test: str, root: Path) -> bool:
    """Return whether a file holds the class and function that a pytest id names; nothing is imported."""
    name, *parts = test.split("::")
    if not (root / name).is_file():
        return False
    body = ast.parse((root / name).read_text()).body
    for part in parts:
        found = [node for node in body if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == part]
        if not found:
            return False
        body = found[0].body
    return all(part.startswith(("test_", "Test")) for part in parts)


def find_unproven(rows: Iterable[Capability], outcomes: Mapping[str, str], *, is_whole: bool) -> list[str]:
    """
    Return a sentence for each test of a row that has not passed.

    :param outcomes: passed, failed or skipped, by the id of each test that was run
    :param is_whole: whether all tests were run, so that one without an outcome is missing
    """
    by_name: dict[str, set[str]] = defaultdict(set)
    for node, outcome in outcomes.items():
        # Behind the name come parameters, and the group that keeps a test with others in one process.
        parts = node.partition("[")[0].partition("@")[0].split("::")
        for end in range(1, len(parts) + 1):
            by_name["::".join(parts[:end])].add(outcome)
    found = []
    for row in rows:
        for test in row.tests:
            seen = by_name.get(test, {"not run"} if is_whole else {"passed"})
            if seen != {"passed"}:
                why = next(outcome for outcome in ("failed", "skipped", "not run") if outcome in seen)
                found.append(
                    f"{row.id} is marked {row.state}, but its test was {why}: {test}".replace("was failed", "failed")
                )
    return found


class CapabilityReport:
    """A plug-in of the process that reports: it fails a run which does not prove what the rows say."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.outcomes: dict[str, str] = {}
        self.unproven: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the worst of what set-up, call and tear-down of a test came to."""
        if report.failed or self.outcomes.get(report.nodeid) == "failed":
            self.outcomes[report.nodeid] = "failed"
        elif report.skipped or self.outcomes.get(report.nodeid) == "skipped":
            self.outcomes[report.nodeid] = "skipped"
        else:
            self.outcomes[report.nodeid] = "passed"

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Fail the run if a row is not proven."""
        if self.config.option.collectonly:
            return
        rows = [row for area in read_capabilities(self.config.rootpath).values() for row in area]
        is_whole = exitstatus in _OK_OR_FAILED and not session.shouldstop and not session.shouldfail
        self.unproven = find_unproven(rows, self.outcomes, is_whole=is_whole and not self._is_selection())
        if self.unproven and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say which rows are not proven."""
        if self.unproven:
            terminalreporter.section(f"{FILE} says more than this run has proven", red=True)
            for sentence in self.unproven:
                terminalreporter.line(sentence)

    def _is_selection(self) -> bool:
        option = self.config.option
        chosen = (option.keyword, option.markexpr, option.deselect, option.ignore, option.ignore_glob)
        is_named = self.config.args_source is not pytest.Config.ArgsSource.TESTPATHS
        return is_named or any(chosen) or getattr(option, "lf", False)
