"""Where and when tests run: what shares a running stack is in one worker, and what is slow is not run before each commit."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.capabilities import is_defined
from tests.support.distribution import GROUPS, unit_of
from tests.support.slow_tests import SLOW, is_slow

ROOT = Path(__file__).resolve().parent.parent.parent

CONFTEST = """
from tests.support import distribution

def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(distribution)
"""

TESTS = """
from pathlib import Path

import pytest

@pytest.mark.parametrize("number", range(4))
def test_it(number, worker_id):
    with (Path(__file__).parent / "workers").open("a") as file:
        file.write(f"{worker_id}\\n")
"""


class TestUnits:
    def test_all_files_that_use_the_running_stack_are_one(self) -> None:
        units = {
            path.name: unit_of(f"tests/faults/{path.name}::test_it[1]") for path in ROOT.glob("tests/faults/test_*.py")
        }

        assert len(units) > 1
        assert units.pop("test_slow_clients.py") == "slow clients"
        assert set(units.values()) == {"running stack"}

    def test_every_other_test_is_one_of_its_own(self) -> None:
        assert (
            unit_of("tests/orders/test_rules.py::TestTotals::test_it[a]")
            == "tests/orders/test_rules.py::TestTotals::test_it[a]"
        )

    @pytest.mark.parametrize("path", GROUPS)
    def test_what_is_grouped_exists(self, path: str) -> None:
        assert (ROOT / path).exists()


class TestRun:
    """A run of pytest of its own, with two workers."""

    def test_a_group_runs_in_one_worker(self, tmp_path: Path) -> None:
        for name in ("faults/a/test_kills", "faults/b/test_stops", "orders/test_rules"):
            (tmp_path / "tests" / name).parent.mkdir(parents=True)
            (tmp_path / f"tests/{name}.py").write_text(TESTS)
        (tmp_path / "tests/faults/test_slow_clients.py").write_text(TESTS)
        (tmp_path / "conftest.py").write_text(CONFTEST)

        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "xdist", "-p", "no:cacheprovider", "-n", "2", "--dist", "loadgroup"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

        assert done.returncode == 0, done.stdout
        workers = {
            path.parent.relative_to(tmp_path / "tests").as_posix(): path.read_text().split()
            for path in tmp_path.glob("tests/**/workers")
        }
        assert {folder: len(lines) for folder, lines in workers.items()} == dict.fromkeys(
            ["faults", "faults/a", "faults/b", "orders"], 4
        )
        assert len({*workers["faults/a"], *workers["faults/b"]}) == 1
        assert len({*workers["faults"]}) == 1
        assert {*workers["faults"], *workers["faults/a"]} == {"gw0", "gw1"}


class TestSlowTests:
    def test_each_in_the_list_exists(self) -> None:
        assert [test for test in sorted(SLOW) if not is_defined(test, ROOT)] == []

    @pytest.mark.parametrize(
        ("test", "expected"),
        [
            ("tests/core/test_commands.py::TestHelp::test_it", True),
            ("tests/core/test_pdf.py::TestProcesses::test_it[1::2]", True),
            ("tests/core/test_pdf.py::TestLayout::test_it", False),
        ],
        ids=["file", "class", "neither"],
    )
    def test_is_slow_by_its_file_or_its_class(self, test: str, expected: bool) -> None:
        assert is_slow(test) is expected

    def test_the_list_is_read_before_tests_are_chosen(self, request: pytest.FixtureRequest) -> None:
        for item in request.session.items:
            assert (item.get_closest_marker("slow") is not None) is is_slow(item.nodeid)
