"""docs/razorpay-scenarios.md: every scenario has an id of its own, and a test that exists or a reason why there is none."""

import ast
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "razorpay-scenarios.md"
_TEST = re.compile(r"`(tests/[\w/]+\.py::[\w:]+)`")
_NOT_OFFERED = "not offered, because "
_HEADER = ["Id", "Scenario", "Test, or why there is none"]


class Row(NamedTuple):
    """One scenario of the page, with the ids of the tests that it names."""

    id: str
    scenario: str
    proof: str

    @property
    def tests(self) -> list[str]:
        return _TEST.findall(self.proof)


def read_rows(text: str) -> list[Row]:
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line[:2] == "| "]
    return [Row(*row) for row in cells if row != _HEADER]


@cache
def names_in(path: str) -> frozenset[str]:
    """Return the tests of a module as pytest names them after the path: `test_x`, or `TestX::test_y`."""
    tree = ast.parse((ROOT / path).read_text())
    found = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef)}
    return frozenset(name for name in found if name.rsplit("::", 1)[-1].startswith("test_"))


def is_a_test(test_id: str) -> bool:
    path, _, name = test_id.partition("::")
    return (ROOT / path).is_file() and name in names_in(path)


ROWS = read_rows(PAGE.read_text())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_scenario_has_tests_that_exist_or_a_reason(row: Row) -> None:
    assert [test_id for test_id in row.tests if not is_a_test(test_id)] == []
    assert bool(row.tests) != row.proof.startswith(_NOT_OFFERED)
    assert row.scenario


def test_ids_are_unique() -> None:
    ids = [row.id for row in ROWS]

    assert sorted({one for one in ids if ids.count(one) > 1}) == []


def test_every_id_that_was_readable_is_there() -> None:
    assert {row.id for row in ROWS if row.id[0].isupper()} == {
        "ORD-01", "ORD-02", "ORD-03", "ORD-05", "RFND-01", "SETL-01", "BP-01", "BP-06", "BP-07", "BP-08", "BP-12",
    }  # fmt: skip


@pytest.mark.parametrize(
    "test_id",
    [
        "tests/architecture/test_no_such_module.py::test_x",
        "tests/architecture/test_razorpay_scenarios.py::test_no_such_test",
        "tests/architecture/test_razorpay_scenarios.py::is_a_test",
        "tests/architecture/test_razorpay_scenarios.py::Row::tests",
    ],
)
def test_what_is_no_test_is_found(test_id: str) -> None:
    assert not is_a_test(test_id)
