"""
Which test runs which line of the places' files: a plugin of pytest that records it, and the reading of what it recorded.

`pytest -p tests.mutants.recording` writes one file of coverage a worker, with the test as context, and how long each test took.
"""

import ast
import contextlib
import json
import os
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from coverage import Coverage
from coverage.numbits import numbits_to_nums

from tests.mutants import ordering
from tests.mutants.places import ROOT, Place, target_files

DATA: Final = ROOT / ".bahi" / "mutants"
_LINES: Final = "lines.coverage"
#: A line that so many tests run is one of a special case.
_FEW: Final = 15


class _Recorder:
    """Runs coverage around each test of this process, with the test's name as context."""

    def __init__(self, worker: str) -> None:
        DATA.mkdir(parents=True, exist_ok=True)
        self.worker = worker
        self.seconds: dict[str, float] = defaultdict(float)
        self.failed: set[str] = set()
        self.coverage = Coverage(
            data_file=DATA / f"{_LINES}.{worker}", include=[str(path) for path in target_files()], config_file=False
        )
        self.coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.coverage.switch_context(item.nodeid)
        try:
            return (yield)
        finally:
            self.coverage.switch_context("")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration
        if report.failed:
            self.failed.add(report.nodeid)

    def pytest_unconfigure(self) -> None:
        self.coverage.stop()
        self.coverage.save()
        text = json.dumps({"seconds": self.seconds, "failed": sorted(self.failed)})
        (DATA / f"tests.{self.worker}.json").write_text(text, "utf-8")


def pytest_configure(config: pytest.Config) -> None:
    """Record in each worker, or in this process if there are none; the process that only hands tests out runs nothing."""
    if getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput"):
        return
    os.environ["COVERAGE_CORE"] = "ctrace"  # the other core of coverage has no contexts
    worker = getattr(config, "workerinput", {}).get("workerid", "main")
    config.pluginmanager.register(_Recorder(worker), "mutants-recorder")


class Recording:
    """What was recorded: the tests of each line, and the seconds that each test took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.failed: set[str] = set()
        self._tests: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
        for path in sorted(DATA.glob("tests.*.json")):
            recorded = json.loads(path.read_text("utf-8"))
            self.seconds |= recorded["seconds"]
            self.failed |= set(recorded["failed"])
        for path in sorted(DATA.glob(f"{_LINES}.*")):
            self._read(path)
        self._uses = _uses_of_names()

    def _read(self, path: Path) -> None:
        # The file's own tables, which coverage documents: one query for all lines, instead of one for each test and file.
        with contextlib.closing(sqlite3.connect(path)) as database:
            rows = database.execute(
                "SELECT file.path, context.context, line_bits.numbits FROM line_bits "
                "JOIN file ON file.id = line_bits.file_id JOIN context ON context.id = line_bits.context_id"
            )
            for name, context, numbits in rows:
                if context:
                    for line in numbits_to_nums(numbits):
                        self._tests[Path(name).relative_to(ROOT).as_posix()][line].add(context)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was recorded yet."""
        return not self.seconds

    def tests_of(self, place: Place) -> list[str]:
        """
        Return the tests that run the place's lines, the quickest first; tests that failed when recorded are left out.

        What stands outside of functions runs once, at import: its tests are those of the functions that use its name, and
        those whose text has its name.
        """
        found = self._tests_of_lines(place.path, range(place.lines[0], place.lines[1] + 1))
        if not found:
            for path, first, last in self._uses.get(place.function, ()):
                found |= self._tests_of_lines(path, range(first, last + 1))
            found |= ordering.find_alike(list(self.seconds), place)
        return sorted(found - self.failed, key=lambda test: (self.seconds.get(test, 0.0), test))

    def rare_tests_of(self, place: Place) -> set[str]:
        """Return the tests that run a line of the place's function that few tests run."""
        by_line = self._tests.get(place.path, {})
        found = [by_line[line] for line in _lines_of_function(place) if line in by_line]
        return set().union(*(tests for tests in found if len(tests) <= _FEW))

    def _tests_of_lines(self, path: str, lines: range) -> set[str]:
        by_line = self._tests.get(path, {})
        return set().union(*(by_line[line] for line in lines if line in by_line))


def _lines_of_function(place: Place) -> range:
    """Return the lines of the smallest function that a place stands in: none if it stands outside of functions."""
    tree = ast.parse((ROOT / place.path).read_text("utf-8"))
    ranges = [
        range(node.lineno, (node.end_lineno or node.lineno) + 1)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.lineno <= place.lines[0] <= (node.end_lineno or node.lineno)
    ]
    return min(ranges, key=len, default=range(0))


def _uses_of_names() -> dict[str, list[tuple[str, int, int]]]:
    """Return the functions (path, first and last line) that use each name that a target file assigns outside of functions."""
    uses: dict[str, list[tuple[str, int, int]]] = defaultdict(list)
    through: dict[str, set[str]] = defaultdict(set)
    for path in target_files():
        tree = ast.parse(path.read_text("utf-8"))
        relative = path.relative_to(ROOT).as_posix()
        for node in tree.body:
            names = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
            names |= {one.attr for one in ast.walk(node) if isinstance(one, ast.Attribute)}
            if isinstance(node, ast.Assign | ast.AnnAssign):
                target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                for name in names:
                    through[name].add(ast.unparse(target))
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef):
                names = {one.id for one in ast.walk(function) if isinstance(one, ast.Name)}
                names |= {one.attr for one in ast.walk(function) if isinstance(one, ast.Attribute)}
                body = function.body[0].lineno
                for name in names:
                    uses[name].append((relative, body, function.end_lineno or body))
    for name, others in list(through.items()):
        for other in others:
            uses[name] = uses[name] + uses.get(other, [])
    return uses
