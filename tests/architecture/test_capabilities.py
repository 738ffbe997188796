"""The table of capabilities names tests that exist, and a run that does not prove what it says fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.maps import ROOT
from tests.support.capabilities import Capability, find_faults, find_unproven, is_defined, read_capabilities

ROWS = [row for area in read_capabilities(ROOT).values() for row in area]
TEST = "tests/orders/test_services.py::TestPlaceOrder::test_sums_the_lines_of_one_variant"


class TestRows:
    def test_each_row_says_what_its_state_demands(self) -> None:
        assert find_faults(ROWS) == []

    def test_each_id_is_used_once(self) -> None:
        ids = [row.id for row in ROWS]

        assert len(ids) == len(set(ids)) == 156

    @pytest.mark.parametrize(
        ("row", "fault"),
        [
            (Capability("A1", "It does it.", "done", (TEST,)), "the state done is not known"),
            (Capability("A1", "It does it.", "works"), "what works has tests, and what is absent has none"),
            (Capability("A1", "It does it.", "partly", (), "all"), "what works has tests, and what is absent has none"),
            (
                Capability("A1", "It does it.", "absent", (TEST,), "all"),
                "what works has tests, and what is absent has none",
            ),
            (
                Capability("A1", "It does it.", "works", (TEST,), "a part"),
                "what does not wholly work says what is missing",
            ),
            (Capability("A1", "It does it.", "partly", (TEST,)), "what does not wholly work says what is missing"),
        ],
    )
    def test_a_row_that_does_not_is_found(self, row: Capability, fault: str) -> None:
        assert any(fault in found for found in find_faults([row]))

    @pytest.mark.parametrize("row", [row for row in ROWS if row.tests], ids=lambda row: row.id)
    def test_its_tests_exist(self, row: Capability) -> None:
        assert [test for test in row.tests if not is_defined(test, ROOT)] == []

    @pytest.mark.parametrize(
        ("test", "exists"),
        [
            (TEST, True),
            ("tests/orders/test_services.py", True),
            ("tests/orders/test_services.py::TestPlaceOrder", True),
            ("tests/orders/test_nothing.py", False),
            ("tests/orders/test_services.py::TestNothing", False),
            ("tests/orders/test_services.py::TestPlaceOrder::test_nothing", False),
            ("tests/conftest.py::owner", False),
        ],
    )
    def test_a_test_exists_by_file_class_and_name(self, test: str, exists: bool) -> None:
        assert is_defined(test, ROOT) is exists


class TestFindUnproven:
    ROW = Capability("A1", "It does it.", "works", ("tests/test_a.py::TestA::test_one",))

    @pytest.mark.parametrize(
        ("node", "outcome", "found"),
        [
            ("tests/test_a.py::TestA::test_one", "passed", []),
            ("tests/test_a.py::TestA::test_one[x::y]@group", "passed", []),
            ("tests/test_a.py::TestA::test_one@group", "failed", ["A1 is marked works, but its test failed: {0}"]),
            ("tests/test_a.py::TestA::test_one[1]", "skipped", ["A1 is marked works, but its test was skipped: {0}"]),
            ("tests/test_a.py::TestA::test_one_more", "failed", ["A1 is marked works, but its test was not run: {0}"]),
        ],
    )
    def test_every_outcome_of_a_test_counts(self, node: str, outcome: str, found: list[str]) -> None:
        expected = [sentence.format(self.ROW.tests[0]) for sentence in found]

        assert find_unproven([self.ROW], {node: outcome}, is_whole=True) == expected

    def test_one_of_many_that_fails_is_enough(self) -> None:
        row = Capability("A1", "It does it.", "works", ("tests/test_a.py",))
        outcomes = {"tests/test_a.py::test_one": "passed", "tests/test_a.py::test_two[1]": "skipped"}

        assert find_unproven([row], outcomes, is_whole=False) == [
            "A1 is marked works, but its test was skipped: tests/test_a.py"
        ]

    def test_of_a_part_of_the_tests_only_those_that_were_run_count(self) -> None:
        assert find_unproven([self.ROW], {}, is_whole=False) == []


CONFTEST = """
from tests.support.capabilities import CapabilityReport

def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(CapabilityReport(config))
"""


class TestRun:
    """Runs of pytest of their own, on a table with one row."""

    @pytest.fixture
    def run(self, tmp_path: Path) -> object:
        (tmp_path / "docs").mkdir()
        (tmp_path / "checks").mkdir()
        (tmp_path / "docs/capabilities.yaml").write_text(
            "Area:\n  - id: A1\n    does: It does it.\n    state: works\n    tests: [checks/test_it.py::test_proof]\n"
        )
        (tmp_path / "conftest.py").write_text(CONFTEST)
        (tmp_path / "pytest.ini").write_text("[pytest]\ntestpaths = checks\n")

        def run(text: str, *arguments: str) -> tuple[int, str]:
            (tmp_path / "checks/test_it.py").write_text(f"import pytest\n\ndef test_other(): pass\n\n{text}\n")
            done = subprocess.run(
                [sys.executable, "-m", "pytest", "-p", "xdist", "-p", "no:cacheprovider", *arguments],
                cwd=tmp_path,
                env={
                    **os.environ,
                    "PYTHONPATH": str(ROOT),
                    "PYTEST_ADDOPTS": "",
                    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
                },
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            return done.returncode, done.stdout

        return run

    @pytest.mark.parametrize("processes", [[], ["-n", "1"]], ids=["alone", "in a worker"])
    @pytest.mark.parametrize(
        ("text", "code", "sentence"),
        [
            ("def test_proof(): pass", 0, ""),
            (
                "def test_proof(): pytest.skip('not here')",
                1,
                "A1 is marked works, but its test was skipped: checks/test_it.py::test_proof",
            ),
            (
                "@pytest.mark.xfail\ndef test_proof(): raise ValueError",
                1,
                "A1 is marked works, but its test was skipped",
            ),
            ("def test_proof(): raise ValueError", 1, "A1 is marked works, but its test failed"),
            ("def test_under_another_name(): pass", 1, "A1 is marked works, but its test was not run"),
        ],
        ids=["passed", "skipped", "expected to fail", "failed", "gone"],
    )
    def test_it_fails_unless_the_proof_has_passed(
        self, run: object, processes: list[str], text: str, code: int, sentence: str
    ) -> None:
        returned, said = run(text, *processes)  # type: ignore[operator]

        assert returned == code, said
        assert sentence in said
        assert ("says more than this run has proven" in said) is bool(sentence)

    @pytest.mark.parametrize(
        "arguments",
        [["-k", "other"], ["checks/test_it.py::test_other"], ["--deselect", "checks/test_it.py::test_proof"]],
    )
    def test_a_selection_of_other_tests_passes(self, run: object, arguments: list[str]) -> None:
        assert run("def test_proof(): pytest.skip('not here')", *arguments)[0] == 0  # type: ignore[operator]

    def test_a_selection_with_the_proof_fails_with_it(self, run: object) -> None:
        assert run("def test_proof(): pytest.skip('not here')", "-k", "proof")[0] == 1  # type: ignore[operator]


def test_this_run_reports_capabilities(pytestconfig: pytest.Config) -> None:
    is_reporting_process = not hasattr(pytestconfig, "workerinput")

    assert pytestconfig.pluginmanager.has_plugin("capabilities") is is_reporting_process
