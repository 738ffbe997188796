"""
What one forked child does with one fault: run the tests that cover it, or play the journeys and ask the audit.

A child is forked from a process that has imported no module of the product, plants its fault, and imports the product then.
"""

import contextlib
import json
import os
import pickle
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from tests.mutants import ordering
from tests.mutants.places import ROOT, Place, target_files
from tests.mutants.planting import plant

Books = dict[str, Counter[str]]
_POLL_SECONDS: Final = 0.05
#: When the audit looks a second time: a day more than the longest time that an invariant gives.
LATER: Final = timedelta(days=8)


def in_child(work: Callable[[], Any], *, seconds: float, log: Path) -> Any:
    """
    Do something in a forked child and return what it returns, None if it takes longer, or the text of its error as a dict.

    The child has a session of its own, and everything that it started ends with it.
    """
    answer = log.with_suffix(".answer")
    answer.unlink(missing_ok=True)
    pid = os.fork()
    if pid == 0:
        _run_and_exit(work, answer, log)
    deadline = time.monotonic() + seconds
    is_late = False
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        if time.monotonic() > deadline:
            is_late = True
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            break
        time.sleep(_POLL_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    if is_late:
        return None
    if not answer.exists():
        return {"error": "the process ended without an answer"}
    return pickle.loads(answer.read_bytes())


def _run_and_exit(work: Callable[[], Any], answer: Path, log: Path) -> None:
    os.setsid()
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    try:
        result = work()
    except BaseException as error:
        traceback.print_exc()
        result = {"error": f"{type(error).__name__}: {error}"[:300]}
    sys.stdout.flush()
    waiting = answer.with_suffix(".new")
    waiting.write_bytes(pickle.dumps(result))
    waiting.rename(answer)
    os._exit(0)


def make_template_database() -> str:
    """Return the name of the template that the databases of the other children are copied from."""
    _set_up_django()
    from tests.support.databases import make_template

    return make_template()


def run_tests(place: Place | None, tests: Sequence[str]) -> dict[str, Any]:
    """Run tests with a fault until the first one fails; return the exit code, that test, and how many passed."""
    if place is not None:
        plant(place)
    os.chdir(ROOT)
    import pytest

    # A test that has another name or other parameters since it was recorded is left out: asking for it would end the run.
    functions = [one for one in dict.fromkeys(test.partition("[")[0] for test in tests) if ordering.has_test(one)]
    if not functions:
        return {"code": int(pytest.ExitCode.NO_TESTS_COLLECTED), "failed": "", "passed": 0}
    seen = ChosenTests(tests)
    options = ["-x", "-q", "-n0", "-p", "no:randomly", "-p", "no:cacheprovider", "--create-db", "--timeout=60"]
    options += ["--hypothesis-profile", "unshrunk"]
    code = pytest.main([*options, *functions], plugins=[seen])
    return {"code": int(code), "failed": seen.failed, "passed": seen.passed}


class ChosenTests:
    """Runs the chosen tests in their order, which pytest-django would change (rules last), and keeps which one failed."""

    def __init__(self, order: Sequence[str]) -> None:
        self._order = {test: at for at, test in enumerate(order)}
        self.failed = ""
        self.passed = 0

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items[:] = sorted(
            (item for item in items if item.nodeid in self._order), key=lambda item: self._order[item.nodeid]
        )

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed and not self.failed:
            self.failed = report.nodeid
        elif report.when == "call" and report.passed:
            self.passed += 1


def play(place: Place | None, template: str, database: str, *, with_lines: bool = False) -> dict[str, Any]:
    """
    Play the journeys with a fault on a new database; return their books, their errors and the violated invariants.

    `with_lines` returns the lines of the places' files that they run, too.
    """
    coverage = None
    if with_lines:
        from coverage import Coverage

        os.environ["COVERAGE_CORE"] = "ctrace"
        coverage = Coverage(data_file=None, include=[str(path) for path in target_files()], config_file=False)
        coverage.start()
    if place is not None:
        plant(place)
    # So that what is completed is closed before the audit looks for the last time.
    os.environ["RETURN_WINDOW_DAYS"] = "5"
    _set_up_django()
    from django.db import connection

    from apps.core import audit, clock
    from sandbox.server import running
    from tests.mutants import books, journeys

    _copy_database(template, database)
    connection.close()
    connection.settings_dict["NAME"] = database
    with running() as world:
        played = journeys.play_all(world)
        soon = audit.run(now=clock.now())
        # Some faults leave something undone, which the audit finds when its time is over.
        until = clock.now() + LATER
        journeys.go_on(world, until=until)
    later = audit.run(now=until)
    return {
        "books": books.read_books(),
        "errors": played.errors | _failed_handlers(),
        "violated": [result.invariant.id for result in soon.failing]
        + [f"{result.invariant.id} later" for result in later.failing],
        "lines": _lines(coverage),
    }


def _failed_handlers() -> dict[str, str]:
    from apps.core.models import HandlerRun

    return dict(HandlerRun.objects.exclude(last_error="").values_list("handler", "last_error"))


def _lines(coverage: Any) -> dict[str, set[int]]:
    if coverage is None:
        return {}
    coverage.stop()
    data = coverage.get_data()
    return {Path(name).relative_to(ROOT).as_posix(): set(data.lines(name) or ()) for name in data.measured_files()}


def _set_up_django() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings.test"
    import django

    django.setup()


def _copy_database(template: str, name: str) -> None:
    from tests.support.databases import _maintenance_connection

    with _maintenance_connection() as server:
        server.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        server.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')


def as_json(value: Any) -> str:
    """Return a value as one line of a file of results."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
