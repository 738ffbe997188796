"""Results: kept by seed, used again while their function is the same, and counted without what is no fault."""

from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.mutants import __main__, children, ordering, places, report, runner

PLACE = places.Place(
    id="apps/orders/rules.py:f:sign:1", path="apps/orders/rules.py", function="f", operator="sign", words="a + b -> a - b",
    lines=(1, 2), node=3, fault=0, digest="aaa",
)  # fmt: skip
KILLED = runner.Result(
    id=PLACE.id, digest="aaa", operator="sign", words=PLACE.words, outcome="killed", killed_by="tests/x.py::t", tests=3,
    seconds=1.5, reached=["orders_order"], violated=["INV-1"],
)  # fmt: skip


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(runner, "RESULTS", tmp_path)
    runner.results_path(1).write_text(children.as_json(asdict(KILLED)) + "\n", "utf-8")
    return tmp_path


def test_a_result_is_used_again_while_its_function_is_the_same(kept: Path) -> None:
    assert runner.read_results(1, [PLACE]) == {PLACE.id: KILLED}
    assert runner.read_results(1, [replace(PLACE, digest="bbb")]) == {}
    assert runner.read_results(2, [PLACE]) == {}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"code": 0, "failed": "", "passed": 9}, ("survived", "", "")),
        ({"code": 1, "failed": "tests/x.py::t", "passed": 1}, ("killed", "tests/x.py::t", "")),
        ({"code": 4, "failed": "", "passed": 0}, ("killed", "collection", "")),
        ({"code": 5, "failed": "", "passed": 0}, ("not judged", "", "none of its tests is there any more")),
        ({"error": "no servers"}, ("not judged", "", "no servers")),
        (None, ("out of time", "", "")),
    ],
)
def test_what_the_tests_answer_is_the_outcome(answer: Any, expected: tuple[str, str, str]) -> None:
    assert runner._outcome(answer, ["tests/x.py::t"]) == expected
    assert runner._outcome(answer, []) == ("no test", "", "")


def test_tests_of_the_own_app_are_run_first_and_a_few_of_each_file() -> None:
    tests = [f"tests/payments/test_a.py::t{number}" for number in range(20)] + ["tests/orders/test_b.py::t"]
    chosen = ordering.choose_tests([*tests, "tests/faults/test_c.py::t"], PLACE, {})
    assert chosen == ["tests/orders/test_b.py::t", *tests[:20]]


def test_quick_tests_are_run_before_all_others() -> None:
    seconds = {
        "tests/orders/test_a.py::slow": 0.3,
        "tests/payments/test_b.py::quick": 0.01,
        "tests/orders/test_c.py::quick": 0.05,
    }
    assert ordering.choose_tests([*seconds], PLACE, seconds) == [
        "tests/orders/test_c.py::quick", "tests/payments/test_b.py::quick", "tests/orders/test_a.py::slow",
    ]  # fmt: skip


def test_tests_of_a_special_case_and_those_that_name_the_function_are_run_before_quick_ones() -> None:
    names_it = "tests/mutants/test_places.py::TestPlaces::test_a_place_is_planted_where_it_is_and_nowhere_else"
    place = replace(PLACE, function="Planting.compile_mutant")
    seconds = {"tests/orders/test_a.py::quick": 0.01, "tests/orders/test_a.py::of_midnight": 0.3}
    assert ordering.find_alike([names_it, "tests/orders/test_that_is_gone.py::test"], place) == {names_it}
    assert ordering.choose_tests(
        ["tests/orders/test_a.py::quick", "tests/orders/test_a.py::of_midnight"], place, seconds,
        rare={"tests/orders/test_a.py::of_midnight"},
    ) == ["tests/orders/test_a.py::of_midnight", "tests/orders/test_a.py::quick"]  # fmt: skip


def test_tests_that_name_what_a_left_out_call_does_are_found() -> None:
    stage = "tests/payments/test_unexpected_refunds.py::TestShouldNotBeMade::test_one_that_awaits_a_transfer_has_an_exception_at_each_stage"
    place = replace(PLACE, path="apps/payments/services/refunds/gateway_updates.py", function="_x", words="left out")
    assert ordering.find_alike([stage], place) == set()
    assert ordering.find_alike([stage], replace(place, words="_close_exceptions(...) -> left out")) == {stage}


@pytest.mark.parametrize(
    ("path", "operator", "test", "expected"),
    [
        ("apps/orders/services/closure.py", "sign", "tests/orders/test_closure.py::t", True),
        ("apps/orders/services/closure.py", "sign", "tests/orders/test_lock_races.py::t", False),
        ("apps/orders/locks.py", "missing lock", "tests/orders/test_lock_races.py::t", True),
        ("apps/orders/locks.py", "missing lock", "tests/orders/test_closure.py::t", False),
    ],
)
def test_a_test_is_about_a_place_by_the_name_of_its_file(path: str, operator: str, test: str, expected: bool) -> None:
    assert ordering._is_about(test, replace(PLACE, path=path, operator=operator)) is expected


def test_the_chosen_tests_are_run_in_their_order_and_no_others() -> None:
    items = [SimpleNamespace(nodeid=name) for name in ("with a database", "of a rule", "not chosen")]
    children.ChosenTests(["of a rule", "with a database"]).pytest_collection_modifyitems(items)
    assert [item.nodeid for item in items] == ["of a rule", "with a database"]


def test_a_test_with_another_name_is_not_asked_for() -> None:
    here = "tests/mutants/test_results.py::test_a_test_with_another_name_is_not_asked_for"
    assert ordering.has_test(here)
    assert not ordering.has_test(f"{here}_any_more")
    assert not ordering.has_test("tests/mutants/test_that_is_gone.py::test")


def test_what_is_no_fault_is_left_out_of_the_count(monkeypatch: pytest.MonkeyPatch) -> None:
    survived = replace(KILLED, id="other", outcome="survived", violated=[])
    assert report.count([KILLED, survived]) == {
        "judged": 2, "killed": 1, "survived": 1, "reached": 2, "found": 1,
    }  # fmt: skip
    monkeypatch.setattr(report, "read_equivalents", lambda: {"other": "the same for every number"})
    assert report.count([KILLED, survived]) == {"judged": 1, "killed": 1, "reached": 1, "found": 1, "equivalent": 1}


def test_a_share_is_cut_and_never_rounded_up() -> None:
    assert [report.percentage(9_499, 10_000), report.percentage(19, 20), report.percentage(0, 0)] == [
        "94.9 %",
        "95.0 %",
        "none",
    ]


def test_a_child_that_takes_too_long_is_ended_and_an_error_is_its_answer(tmp_path: Path) -> None:
    import time

    assert children.in_child(lambda: 42, seconds=30, log=tmp_path / "log") == 42
    assert children.in_child(lambda: time.sleep(60), seconds=0.2, log=tmp_path / "log") is None
    assert children.in_child(lambda: 1 // 0, seconds=30, log=tmp_path / "log") == {
        "error": "ZeroDivisionError: integer division or modulo by zero"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "half", "again", "expected"),
    [
        ({}, "tests", False, True),
        ({}, "audit", False, True),
        ({"outcome": "not run"}, "tests", False, False),
        ({"outcome": "not run"}, "audit", False, True),
        ({"is_played": False}, "audit", False, False),
        ({"outcome": "survived"}, "tests", False, True),
        ({"outcome": "survived"}, "tests", True, False),
        ({"violated": []}, "audit", False, True),
        ({"violated": []}, "audit", True, False),
        ({"violated": [], "reached": []}, "audit", True, True),
    ],
)
def test_a_question_is_asked_until_it_is_answered_and_again_where_it_was_missed(
    changes: dict[str, Any], half: str, again: bool, expected: bool
) -> None:
    assert __main__._is_answered(replace(KILLED, **changes), frozenset({half}), again=again) is expected


def test_what_was_not_run_is_not_judged() -> None:
    assert report.count([replace(KILLED, outcome="not run")]) == {"reached": 1, "found": 1}


def test_what_failed_with_an_error_is_not_asked_of_the_audit() -> None:
    failed = replace(KILLED, violated=[], loud=["pays_late"])
    assert report.count([failed]) == {"judged": 1, "killed": 1, "loud": 1}
    assert not report.is_missed(failed)


def test_without_results_there_is_no_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runner, "RESULTS", tmp_path)
    monkeypatch.setattr(report, "PAGE", tmp_path / "mutants.md")

    assert __main__._report([PLACE], 7, is_part=False) == 2

    assert not report.PAGE.exists()
    assert capsys.readouterr().err == (
        "mutants: seed 7 has no results yet, so that there is nothing to report. Run it first.\n"
    )
