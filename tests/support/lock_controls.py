"""
Locks that are turned off one at a time, to show what each of them protects.

A lock has the name of the function that takes it, such as `apps.orders.locks.lock_order`. A test is the control of a
lock if it runs `without_lock` or `run_amid` with this name and shows what breaks. A lock needs no control if another one
is always held when it is taken: `COVERS` says which, and every test of the suite checks it.
"""

import ast
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from types import FrameType
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.db.transaction import Atomic

from tests.support.database_locks import wait_for_a_blocked_session

ROOT = Path(__file__).resolve().parents[2]
_PATIENCE_SECONDS = 60

#: What takes a lock in a statement, and what the statement says without it.
_WITHOUT_LOCK = (
    (re.compile(r"\s+FOR (?:NO KEY )?UPDATE(?: OF [\w\".]+)?(?: SKIP LOCKED| NOWAIT)?"), ""),
    (re.compile(r"\bpg_try_advisory_(?:xact_)?lock\((%s|\d+)\)"), r"(\1::bigint IS NOT NULL)"),
    (re.compile(r"\bpg_advisory_xact_lock(?:_shared)?\((%s|\$\d+::bigint)\)"), r"(\1::bigint)"),
    (re.compile(r"\bLOCK TABLE \S+ IN [A-Z ]+ MODE"), "SELECT 1"),
)
_TAKES_LOCK = re.compile(
    r"\bFOR (?:NO KEY )?(?:UPDATE|SHARE)\b|\bFOR KEY SHARE\b|\bpg_(?:try_)?advisory|\bLOCK TABLE\b"
)

#: The functions that turn a lock off, whose first argument is its name.
_TURN_OFF = frozenset({"without_lock", "run_amid"})

#: Functions in `locks.py` that are part of every lock of an app, and of no table or rule of their own.
GENERIC = frozenset({"apps.core.locks.lock_row"})

_ORDER = "apps.orders.locks.lock_order"
_USER = "apps.accounts.locks.lock_user"
#: Lock -> the locks of which one is always held when it is taken, and which therefore protects the same rows.
COVERS: Mapping[str, tuple[str, ...]] = {
    "apps.accounts.locks.lock_address": (_USER,),
    "apps.accounts.locks.lock_default_address": (_USER,),
    "apps.accounts.locks.lock_live_sessions": (_USER,),
    "apps.catalog.locks.lock_variant": ("apps.catalog.locks.lock_stock", "apps.catalog.locks.lock_stock_of"),
    "apps.fulfilment.locks.lock_cancellable_shipments": (_ORDER,),
    "apps.fulfilment.locks.lock_shipment": (_ORDER,),
    "apps.payments.locks.lock_attempt": (_ORDER,),
    "apps.payments.locks.lock_captured_attempts": (_ORDER,),
    "apps.payments.locks.lock_dispute": (_ORDER,),
    "apps.payments.locks.lock_live_payments": (_ORDER,),
    "apps.payments.locks.lock_refunds_awaiting_approval": (_ORDER,),
    "apps.payments.locks.lock_unsubmitted_refunds": (_ORDER,),
    "apps.tax.locks.lock_registration": ("apps.tax.locks.lock_registrations",),
}


# What there is -------------------------------------------------------------------------------------------------------


@cache
def find_locks(root: Path = ROOT) -> frozenset[str]:
    """Return the names of all functions under `apps` that take a lock, and of all public functions in a `locks.py`."""
    found: set[str] = set()
    for path in sorted(root.glob("apps/**/*.py")):
        module = ".".join(path.relative_to(root).with_suffix("").parts)
        if ".migrations." not in module:
            found |= {f"{module}.{name}" for name in _locking_functions(ast.parse(path.read_text()), path.name)}
    return frozenset(found - GENERIC)


def _locking_functions(module: ast.Module, filename: str) -> set[str]:
    statements = {
        target.id
        for node in module.body
        if isinstance(node, ast.Assign) and _takes_lock(node.value)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    functions = dict(_walk_functions(module))
    if filename == "locks.py":
        return {name for name in functions if not name.startswith("_")}
    return {
        name
        for name, function in functions.items()
        if any(
            _takes_lock(node) or (isinstance(node, ast.Name) and node.id in statements) for node in _code_of(function)
        )
    }


def _walk_functions(node: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.FunctionDef]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef):
            yield prefix + child.name, child
        elif isinstance(child, ast.ClassDef):
            yield from _walk_functions(child, f"{prefix}{child.name}.")


def _code_of(function: ast.FunctionDef) -> Iterator[ast.AST]:
    for statement in function.body:
        if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
            yield from ast.walk(statement)


def _takes_lock(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr == "select_for_update"
    if isinstance(node, ast.JoinedStr):
        return any(_takes_lock(value) for value in node.values)
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(_TAKES_LOCK.search(node.value))


def find_controls(root: Path = ROOT) -> dict[str, set[str]]:
    """
    Return, by the name of a lock, the tests that are its controls.

    A control calls `without_lock` or `run_amid` with the name, written out, and says that it is one: by its own name, by the ids
    of its parameters or by the mark `with_control`.
    """
    found: dict[str, set[str]] = {}
    for path in sorted(root.glob("tests/**/test_*.py")):
        for name, function in _walk_functions(ast.parse(path.read_text())):
            if not _is_control(function):
                continue
            for lock in _turned_off_in(function):
                found.setdefault(lock, set()).add(f"{path.relative_to(root)}::{name.replace('.', '::')}")
    return found


def _is_control(function: ast.FunctionDef) -> bool:
    if not function.name.startswith("test_"):
        return False
    decorators = (node for each in function.decorator_list for node in ast.walk(each))
    return "control" in function.name or any(
        (isinstance(node, ast.Constant) and node.value == "control")
        or (isinstance(node, ast.Name) and node.id == "with_control")
        for node in decorators
    )


def _turned_off_in(function: ast.FunctionDef) -> Iterator[str]:
    for node in ast.walk(function):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _TURN_OFF):
            continue
        if node.args and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str):
            yield node.args[0].value


def find_unproved(root: Path = ROOT, covers: Mapping[str, tuple[str, ...]] | None = None) -> frozenset[str]:
    """Return the locks that have neither a control nor a cover."""
    return find_locks(root) - find_controls(root).keys() - (COVERS if covers is None else covers).keys()


#: Runs a test as itself, and as its own control.
with_control = pytest.mark.parametrize("is_locked", [True, False], ids=["locked", "control"])

# What happens --------------------------------------------------------------------------------------------------------


@dataclass
class _Watch:
    """What is done with the statements of one lock: whether it is off, and what happens once each has run."""

    after: Callable[[int], None]
    is_off: bool
    seen: int = 0
    guard: threading.Lock = field(default_factory=threading.Lock)

    def count(self) -> int:
        """Return the number of the statement that is about to run, from 1."""
        with self.guard:
            self.seen += 1
            return self.seen


_watched: dict[str, _Watch] = {}
_uncovered: list[str] = []
_of_thread = threading.local()


@contextmanager
def _watching(name: str, after: Callable[[int], None], *, is_off: bool, at_least: int) -> Iterator[None]:
    assert name not in _watched
    watch = _watched[name] = _Watch(after, is_off)
    try:
        yield
    finally:
        del _watched[name]
    assert watch.seen >= at_least, f"{name} was asked for {watch.seen} times"


@contextmanager
def without_lock(name: str, *, meet: int = 1) -> Iterator[None]:
    """
    Turn one lock off, alone and in all threads: its statements run without what locks.

    The first `meet` callers go on only when all of them have read what they would have locked.

    :raises AssertionError: at the end, if fewer asked for the lock
    """
    barrier = threading.Barrier(meet)

    def wait_for_others(number: int) -> None:
        if 1 < meet >= number:
            barrier.wait(_PATIENCE_SECONDS)

    with _watching(name, wait_for_others, is_off=True, at_least=meet):
        yield


def run_amid(name: str, first: Callable[[], Any], second: Callable[[], Any], *, is_locked: bool) -> list[Any]:
    """
    Run `first`, and `second` in a thread of its own once `first` has taken a lock; return what they return or raise.

    With the lock, `first` goes on when `second` waits for it or has ended without. With `is_locked` False the lock is off, alone:
    `first` goes on when `second` has ended.
    """
    results: list[Any] = [None, None]
    has_ended = threading.Event()

    def run(place: int, call: Callable[[], Any]) -> None:
        try:
            results[place] = call()
        except Exception as error:
            results[place] = error
        finally:
            connection.close()

    def run_second() -> None:
        run(1, second)
        has_ended.set()

    threads = [threading.Thread(target=run_second)]

    def begin_second(number: int) -> None:
        if number > 1:
            return
        threads[0].start()
        if is_locked:
            wait_for_a_blocked_session(unless=has_ended.is_set)
        else:
            assert has_ended.wait(_PATIENCE_SECONDS), "the second call waits for another lock than the one that is off"

    with _watching(name, begin_second, is_off=not is_locked, at_least=0):
        threads.append(threading.Thread(target=run, args=(0, first)))
        threads[1].start()
        for thread in reversed(threads):
            if thread.ident is not None:
                thread.join()
    assert threads[0].ident is not None, f"{name} was never asked for, and {results[0]!r} came of it"
    return results


@contextmanager
def covers_checked() -> Iterator[list[str]]:
    """Return the list to which each lock is added that code of an app takes without holding one of its covers."""
    del _uncovered[:]
    yield _uncovered


def install() -> None:
    """Have every statement of this process pass by here."""
    execute, enter = psycopg.Cursor.execute, Atomic.__enter__

    def execute_watched(self: Any, query: Any, params: Any = None, **options: Any) -> Any:
        if not (isinstance(query, str) and _is_locking(query)):
            return execute(self, query, params, **options)
        names, caller = _names_of_lock(sys._getframe(1))
        _check_cover(names, caller)
        watch = next((_watched[name] for name in names if name in _watched), None)
        if watch is not None and watch.is_off:
            for pattern, text in _WITHOUT_LOCK:
                query = pattern.sub(text, query)
        number = 0 if watch is None else watch.count()
        result = execute(self, query, params, **options)
        if watch is not None:
            watch.after(number)
        return result

    def enter_watched(self: Atomic) -> None:
        enter(self)
        if all(block._from_testcase for block in connection.atomic_blocks[:-1]):
            _of_thread.held = set()

    psycopg.Cursor.execute = execute_watched  # type: ignore[method-assign]
    Atomic.__enter__ = enter_watched  # type: ignore[method-assign]


@lru_cache(maxsize=8_192)
def _is_locking(query: str) -> bool:
    """Return whether a statement locks. Most are run many times, and the search takes longer than some of them."""
    return bool(_TAKES_LOCK.search(query))


def _names_of_lock(frame: FrameType | None) -> tuple[list[str], str]:
    """Return the functions in whose name a statement locks, innermost first, and the module of who asked for it."""
    names: list[str] = []
    while frame is not None:
        module = frame.f_globals.get("__name__", "")
        if module.startswith("apps.") and module not in ("apps.core.prepared", "apps.core.rows"):
            name = f"{module}.{frame.f_code.co_qualname.split('.<locals>')[0]}"
            if module.endswith(".locks"):
                names.append(name)
            else:
                return [*names, name], module
        elif names and not module.startswith("django."):
            return names, module
        frame = frame.f_back
    return names, ""


def _check_cover(names: list[str], caller: str) -> None:
    held: set[str] = _of_thread.__dict__.setdefault("held", set())
    held.update(names)
    if not caller.startswith("apps."):
        return
    for name in names:
        covers = COVERS.get(name)
        if covers and not held.intersection(covers):
            _uncovered.append(f"{caller} takes {name} without {' or '.join(covers)}")
