"""
The run: each fault of a seed is planted, its tests are run and the journeys are played, and the result is kept at once.

A run that is stopped goes on where it was. A result is used again as long as the function of its place is the same.
"""

import json
import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from devtools import embedded
from tests.mutants import children
from tests.mutants.books import differing_tables
from tests.mutants.ordering import choose_tests
from tests.mutants.places import ROOT, Place
from tests.mutants.recording import DATA, Recording

RESULTS: Final = ROOT / "docs" / "reports" / "mutants"
#: The two questions about a fault.
TESTS: Final = "tests"
AUDIT: Final = "audit"
BOTH_HALVES: Final = frozenset({TESTS, AUDIT})
TEST_SECONDS: Final = 90.0
_JOURNEY_SECONDS: Final = 180.0
#: How pytest ends if it has found no test.
_NO_TESTS: Final = 5


@dataclass(frozen=True)
class Result:
    """
    What became of one fault.

    :param outcome: `killed`, `survived`, `out of time` (its tests passed for 90 s, and more were left), `no test`,
        `not judged` (the tests could not be run: `error` says why), or `not run`
    :param is_played: whether the journeys were played with it
    :param loud: the journeys and handlers that ended with an error because of it
    :param reached: the tables whose rows the journeys left otherwise
    :param violated: the invariants that the audit found violated by them
    """

    id: str
    digest: str
    operator: str
    words: str
    outcome: str
    killed_by: str
    tests: int
    seconds: float
    reached: list[str]
    violated: list[str]
    error: str = ""
    is_played: bool = True
    loud: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Task:
    """What a worker is asked about one fault."""

    place: Place
    tests: list[str]
    halves: frozenset[str]
    earlier: Result | None


def results_path(seed: int) -> Path:
    """Return the file in which the results of a seed are kept."""
    return RESULTS / f"seed-{seed}.jsonl"


def list_planted(seed: int) -> list[str]:
    """Return the ids of the places that have or had a result of a seed, in the order in which they were planted."""
    path = results_path(seed)
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return list(dict.fromkeys(json.loads(line)["id"] for line in lines))


def read_results(seed: int, places: Sequence[Place]) -> dict[str, Result]:
    """Return the results of these places that still hold, by the place's id."""
    path = results_path(seed)
    digests = {place.id: place.digest for place in places}
    found: dict[str, Result] = {}
    if path.exists():
        for line in path.read_text("utf-8").splitlines():
            result = Result(**json.loads(line))
            if digests.get(result.id) == result.digest:
                found[result.id] = result
    return found


def run(places: Sequence[Place], *, seed: int, workers: int, halves: frozenset[str] = BOTH_HALVES) -> Iterator[Result]:
    """
    Plant faults, and yield each result after it is kept; the last one of a fault counts.

    :param halves: which of the two questions is asked; the answer to the other one is taken over from an earlier result
    """
    if not places:
        return
    recording, earlier = Recording(), read_results(seed, places)
    context = multiprocessing.get_context("fork")
    tasks: Any = context.Queue()
    answers: Any = context.Queue()
    for place in places:
        tasks.put(
            _Task(
                place,
                choose_tests(recording.tests_of(place), place, recording.seconds, rare=recording.rare_tests_of(place)),
                halves,
                earlier.get(place.id),
            )
        )
    for _ in range(workers):
        tasks.put(None)
    processes = [
        context.Process(target=_work, args=(number, tasks, answers), daemon=False) for number in range(workers)
    ]
    for process in processes:
        process.start()
    results_path(seed).parent.mkdir(parents=True, exist_ok=True)
    try:
        with results_path(seed).open("a", encoding="utf-8") as file:
            for _ in places:
                result = answers.get()
                file.write(children.as_json(asdict(result)) + "\n")
                file.flush()
                yield result
    finally:
        for process in processes:
            process.terminate()
            process.join()


def _work(number: int, tasks: Any, answers: Any) -> None:
    """Serve tasks with servers of this process's own until there is none left."""
    _import_libraries()
    DATA.mkdir(parents=True, exist_ok=True)
    log = DATA / f"worker-{number}.log"
    with embedded.servers() as env:
        os.environ.update(env)
        os.environ["DATABASE_URL"] = _named(env["DATABASE_URL"], f"mutants{number}")
        template = children.in_child(children.make_template_database, seconds=600, log=log)
        baseline = children.in_child(
            lambda: children.play(None, template, "journeys", with_lines=True), seconds=_JOURNEY_SECONDS * 2, log=log
        )
        while (task := tasks.get()) is not None:
            answers.put(_judge(task, template=template, baseline=baseline, log=log))


def _judge(task: _Task, *, template: str, baseline: dict[str, Any], log: Path) -> Result:
    place = task.place
    result = task.earlier or Result(
        id=place.id, digest=place.digest, operator=place.operator, words=place.words, outcome="not run", killed_by="",
        tests=0, seconds=0.0, reached=[], violated=[], is_played=False,
    )  # fmt: skip
    if TESTS in task.halves:
        result = _ask_tests(result, place, task.tests, log)
    if AUDIT in task.halves:
        result = _ask_audit(result, place, template, baseline, log.with_suffix(".journeys"))
    return result


def _ask_tests(result: Result, place: Place, tests: list[str], log: Path) -> Result:
    start = time.monotonic()
    answer: Any = {"code": 0, "failed": "", "passed": 0}
    if tests:
        answer = children.in_child(lambda: children.run_tests(place, tests), seconds=TEST_SECONDS, log=log)
    outcome, killed_by, error = _outcome(answer, tests)
    seconds = round(time.monotonic() - start, 1)
    return replace(result, outcome=outcome, killed_by=killed_by, tests=len(tests), seconds=seconds, error=error)


def _ask_audit(result: Result, place: Place, template: str, baseline: dict[str, Any], log: Path) -> Result:
    reached: list[str] = []
    violated: list[str] = []
    loud: list[str] = []
    if _is_played(place, baseline):
        played = children.in_child(
            lambda: children.play(place, template, "journeys"), seconds=_JOURNEY_SECONDS, log=log
        )
        if isinstance(played, dict) and "books" in played:
            reached = differing_tables(baseline["books"], played["books"])
            violated = sorted(set(played["violated"]) - set(baseline["violated"]))
            loud = sorted(played["errors"].keys() - baseline["errors"].keys())
        else:
            loud = ["all journeys"]
    return replace(result, reached=reached, violated=violated, loud=loud, is_played=True)


def _is_played(place: Place, baseline: dict[str, Any]) -> bool:
    lines = baseline["lines"].get(place.path, set())
    return bool(lines & set(range(place.lines[0], place.lines[1] + 1))) or place.function.isupper()


def _outcome(answer: Any, tests: Sequence[str]) -> tuple[str, str, str]:
    if not tests:
        return "no test", "", ""
    if answer is None:
        return "out of time", "", ""
    if "error" in answer:
        return "not judged", "", answer["error"]
    if answer["code"] == _NO_TESTS:
        return "not judged", "", "none of its tests is there any more"
    if answer["code"] == 0:
        return "survived", "", ""
    return "killed", answer["failed"] or "collection", ""


def _named(url: str, name: str) -> str:
    before, question, options = url.partition("?")
    return before.rpartition("/")[0] + "/" + name + question + options


def _import_libraries() -> None:
    """Import what every child needs and no fault changes, so that the children need not."""
    import celery
    import django
    import psycopg
    import requests
    import structlog

    assert all((celery, django, psycopg, requests, structlog))
