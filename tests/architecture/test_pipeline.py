"""What every change has to pass: the checks of `make check`, the contract and the tests, here and on GitHub."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from devtools import coverage

ROOT = Path(__file__).resolve().parent.parent.parent


def recipe_of(target: str) -> str:
    """Return the commands of a target of the Makefile."""
    found = re.search(rf"^{target}:(?! export)[^\n]*\n((?:\t[^\n]*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert found is not None, target
    return found[1]


@pytest.fixture(scope="module")
def jobs() -> Any:
    return yaml.safe_load((ROOT / ".github/workflows/check.yml").read_text())["jobs"]


def commands_of(job: Any) -> list[str]:
    return [step["run"].split(" PYTHON=")[0] for step in job["steps"] if "run" in step]


def proof() -> list[str]:
    """Return the commands of the proof that begins from nothing, each on its line."""
    return [line.strip() for line in (ROOT / ".ci/run").read_text().splitlines()]


@pytest.mark.parametrize(
    "tool", ["ruff format --check .", "ruff check .", "mypy", "lint-imports --no-cache", "pip-licenses"]
)
def test_every_change_is_checked_by_each_tool(tool: str, jobs: Any) -> None:
    assert re.search(rf"^\t\$\(BIN\)/{re.escape(tool)}( |$)", recipe_of("check-code"), re.MULTILINE)
    assert "make check" in commands_of(jobs["test"])
    assert "make check" in proof()


def test_no_failure_of_a_check_is_ignored(jobs: Any) -> None:
    recipes = recipe_of("check-code") + recipe_of("check-database")

    assert [line for line in recipes.splitlines() if line.startswith("\t-") or "|| true" in line] == []
    assert not jobs["test"].get("continue-on-error")
    assert "set -euo pipefail" in proof()


def test_the_contract_is_checked_with_every_change(jobs: Any) -> None:
    assert "make contract" in commands_of(jobs["test"])
    assert "make contract" in proof()


def test_everything_is_tested_and_covered(jobs: Any) -> None:
    measured = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["slipcover"]

    assert re.search(r"-m slipcover .* -m pytest ", recipe_of("test"))
    assert (measured["branch"], measured["source"]) == (True, ["apps", "config", "sandbox"])
    assert "make test" in commands_of(jobs["test"])
    assert "make test" in proof()
    assert ".venv/bin/python -m devtools coverage" in proof()
    assert coverage.FLOOR == 90


def test_every_supported_python_is_tested(jobs: Any) -> None:
    assert jobs["test"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    assert "make test-pythons" in proof()
