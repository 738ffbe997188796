"""
In which order the tests of a fault are run: those that are most likely to find it first, because 90 seconds end the run.

First come the tests that have the names of the fault and its function, those of a file of its name, those of races if a
lock is missing, and those that run a line of its function that few others run, as the test of a bound or of an error
does. Then come the quick ones, which say most for their time, then a few of each file.
"""

import ast
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Final

from tests.mutants.places import ROOT, Place

#: Tests of a rule take no more seconds than this.
_QUICK_SECONDS: Final = 0.05
#: How many other tests of one file are run before those of the next one.
_CHUNK: Final = 12
_MOST_TESTS: Final = 1_500
#: How many of the quick ones are run before the others: with more of them nothing else would be reached.
_MOST_QUICK: Final = 300
#: How many tests are run first because their text has the names of the fault.
_MOST_ALIKE: Final = 40
#: Names that say something: `attempt` and `order` stand in most tests, and weigh little for that.
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{4,}")
_CALL: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?=\()")
#: They start processes of their own, which would run without the fault.
_OTHER_PROCESSES: Final = (
    "tests/faults/",
    "tests/devtools/",
    "tests/mutants/",
    "tests/architecture/",
)


def choose_tests(
    tests: Sequence[str], place: Place, seconds: Mapping[str, float], *, rare: Collection[str] = ()
) -> list[str]:
    """
    Return the tests of a place in the order in which they are run, without those that start processes of their own.

    :param tests: the tests that run its lines, the quickest first
    :param seconds: how long each of them took
    :param rare: those of them that run a line of its function that few tests run
    """
    own = f"tests/{place.app}/"
    able = [test for test in tests if not test.startswith(_OTHER_PROCESSES)]
    same_names = find_alike(able, place)
    telling = [test for test in able if test in rare or test in same_names or _is_about(test, place)]
    telling.sort(key=lambda test: seconds.get(test, 1.0) * (1 if test.startswith(own) else 2))
    quick = [test for test in able if seconds.get(test, 1.0) <= _QUICK_SECONDS]
    quick.sort(key=lambda test: own not in test)
    # Each test once, where it stands first.
    chosen = dict.fromkeys([*telling, *quick[:_MOST_QUICK], *_a_few_of_each_file(able, own)])
    return list(chosen)[:_MOST_TESTS]


def _a_few_of_each_file(tests: Sequence[str], own: str) -> list[str]:
    grouped: dict[str, list[str]] = {}
    for test in tests:
        grouped.setdefault(test.partition("::")[0], []).append(test)
    files = sorted(grouped, key=lambda name: (own not in name, len(grouped[name]), name))
    by_file = {name: iter(grouped[name]) for name in files}
    chosen: list[str] = []
    while by_file:
        for name in list(by_file):
            chunk = list(islice(by_file[name], _CHUNK))
            chosen += chunk
            if len(chunk) < _CHUNK:
                del by_file[name]
    return chosen


def _is_about(test: str, place: Place) -> bool:
    """Say whether a test's file bears the name of a place's file, or is one of races where a lock is missing."""
    file = test.partition("::")[0].rpartition("/")[2]
    is_of_races = place.operator == "missing lock" and any(word in file for word in ("race", "lock", "concurrency"))
    return is_of_races or file == f"test_{Path(place.path).stem}.py"


def find_alike(tests: Sequence[str], place: Place) -> set[str]:
    """Return the few tests whose own text has most of the names of a fault and its function, rare names before common ones."""
    words = f"{place.function} {place.words}"
    # A call that is left out is seen where what it does is named.
    called = _functions_of(place.path)
    wanted = {
        name.lower()
        for name in _NAME.findall(" ".join([words, *(called.get(name, "") for name in _CALL.findall(words))]))
    }
    found = {test: wanted & _names_in(test) for test in tests}
    common = Counter(name for names in found.values() for name in names)
    weights = {test: sum(1 / common[name] for name in names) for test, names in found.items() if names}
    return set(sorted(weights, key=lambda test: -weights[test])[:_MOST_ALIKE])


def has_test(function: str) -> bool:
    """Say whether a test function is there, by its name as pytest gives it without parameters."""
    path, *inner = function.split("::")
    return "::".join(inner) in _texts_of(path)


@cache
def _functions_of(path: str) -> dict[str, str]:
    """Return the text of each function of a file by its name."""
    source = (ROOT / path).read_text("utf-8")
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    return {node.name: ast.get_source_segment(source, node) or "" for node in functions}


def _names_in(test: str) -> frozenset[str]:
    path, *inner = test.partition("[")[0].split("::")
    return _texts_of(path).get("::".join(inner), frozenset())


@cache
def _texts_of(path: str) -> dict[str, frozenset[str]]:
    """Return the names in the text of each test function of a file, by its name as pytest gives it."""
    file = ROOT / path
    if not file.exists():
        return {}
    source = file.read_text("utf-8")
    lines = source.splitlines()
    texts: dict[str, frozenset[str]] = {}

    def visit(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef):
                visit(child, f"{prefix}{child.name}::")
            elif isinstance(child, ast.FunctionDef):
                first = min([child.lineno, *(one.lineno for one in child.decorator_list)])
                text = "\n".join(lines[first - 1 : child.end_lineno]).lower()
                texts[f"{prefix}{child.name}"] = frozenset(_NAME.findall(text))

    visit(ast.parse(source), "")
    return texts
