"""
The stage of all tests: real Postgres and Valkey, started once, and the cast: owner, stranger, and staff of each role.

The servers start with the session unless DATABASE_URL names others. Every worker's database is copied from a template that is
migrated once and holds the reference data. Sockets may reach this machine alone.
"""

import contextlib
import gc
import logging
import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from django.conf import settings
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from apps.core import audit
from config.settings.environment.servers import read_database
from devtools import embedded
from tests.factories.accounts import make_access_token, make_staff, make_user
from tests.support import distribution, lock_controls, prepared_audits, transactions
from tests.support.api_client import CheckedClient
from tests.support.capabilities import CapabilityReport
from tests.support.colleagues import make_colleagues
from tests.support.databases import make_template, tables_with_rows
from tests.support.recent_audits import compare_with_recent
from tests.support.redis_databases import CACHE_DATABASE, with_database
from tests.support.representations import compared_with_rest_framework as compared_with_rest_framework  # noqa: PLC0414 - a fixture
from tests.support.slow_tests import is_slow

ROOT = Path(__file__).resolve().parent.parent

# How long an example takes says how busy the machine is, and nothing about the code. The examples of a test are the same in
# every run, so that a change is judged by what it changes; `make nightly` looks for others.
_any_machine = hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.register_profile("any machine", _any_machine, derandomize=True, database=None)
hypothesis.settings.register_profile("explore", _any_machine, max_examples=1_000)
# Whoever asks only whether a test fails does not wait until its shortest example is found.
hypothesis.settings.register_profile(
    "unshrunk",
    _any_machine,
    derandomize=True,
    database=None,
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
)
hypothesis.settings.load_profile("any machine")

_servers = contextlib.ExitStack()


def pytest_configure(config: pytest.Config) -> None:
    lock_controls.install()
    transactions.install()
    prepared_audits.install()
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(CapabilityReport(config), "capabilities")
        config.pluginmanager.register(distribution, "distribution")
    else:
        _use_redis(with_database(os.environ["REDIS_URL"], CACHE_DATABASE))
    if hasattr(config, "workerinput") or (
        "DATABASE_URL" in os.environ and not os.environ["DATABASE_URL"].endswith(":9/none")
    ):
        return
    env = _servers.enter_context(embedded.servers())
    os.environ.update(env)
    # pytest-django has read the settings by now, and nothing has connected yet.
    given = read_database(env["DATABASE_URL"])
    settings.DATABASES["default"].update(
        NAME=given.name, USER=given.user, PASSWORD=given.password, HOST=given.host, PORT=given.port
    )
    _use_redis(env["REDIS_URL"])


def _use_redis(url: str) -> None:
    os.environ["REDIS_URL"] = url
    settings.CACHES["default"]["LOCATION"] = url
    settings.REDIS_URL = url


def pytest_itemcollected(item: pytest.Item) -> None:
    if is_slow(item.nodeid):
        item.add_marker("slow")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Leave out of the garbage collector's rounds what stays to the end: eight thousand tests and all that they import."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def pytest_unconfigure(config: pytest.Config) -> None:
    _servers.close()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None, django_db_blocker: Any) -> None:
    """Copy each test database from a template that holds the migrated schema."""
    with django_db_blocker.unblock():
        settings.DATABASES["default"]["TEST"]["TEMPLATE"] = make_template()


@pytest.fixture(autouse=True, scope="module")
def _no_rows_stay(django_db_blocker: Any) -> Iterator[None]:
    """Fail where a module leaves committed rows behind: the tests that run later in this worker would find them."""
    yield
    if connection.settings_dict["NAME"].startswith("test_"):
        with django_db_blocker.unblock():
            left = tables_with_rows()
        assert not left, f"committed rows stay in {sorted(left)}: give their writer a database of its own, or flush"


@pytest.fixture(autouse=True)
def _covers_are_held(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail where code of an app takes a lock without the one that is said to be always held then; controls turn that one off."""
    with lock_controls.covers_checked() as uncovered:
        yield
    assert not uncovered or "control" in request.node.name, (
        f"{sorted(set(uncovered))}: give it a control of its own (tests/support/lock_controls.py)"
    )


@pytest.fixture(autouse=True)
def _log_goes_where_it_went() -> Iterator[None]:
    """Undo what a command does to the log: it sets logging up anew, to the stream of its test, which is closed after it."""
    root = logging.getLogger()
    streams = {each: each.stream for each in root.handlers if type(each) is logging.StreamHandler}
    yield
    new = [each for each in root.handlers if type(each) is logging.StreamHandler and each not in streams]
    for handler in new:
        root.removeHandler(handler)
    for handler, stream in streams.items():
        handler.setStream(stream)
        root.addHandler(handler)


@pytest.fixture(autouse=True)
def _no_sockets_to_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    real_connect = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise RuntimeError(f"a test tried to reach {address}")
        real_connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)


@pytest.fixture
def reference_data(db: None) -> None:
    """What the release step makes: staff roles, tax rates, ledger accounts. The test after one that wiped it makes it again."""
    if not Group.objects.exists():
        call_command("setup_reference_data", verbosity=0)


@pytest.fixture(scope="module")
def rows_of_module(django_db_setup: None, django_db_blocker: Any) -> Iterator[Callable[[], Any]]:
    """
    Return a context in which a fixture makes rows that all tests of a module find, and no other.

    They are in a transaction around those of the tests, each of which undoes what it did to them. A test must not be
    transactional, and reads the rows again instead of using the same object of Python as the others.
    """
    with django_db_blocker.unblock():
        around = transaction.atomic()
        around._from_testcase = True  # as Django's own: a service that wants the outermost transaction may run inside
        around.__enter__()
        if not Group.objects.exists():
            call_command("setup_reference_data", verbosity=0)
    yield django_db_blocker.unblock
    with django_db_blocker.unblock():
        transaction.set_rollback(True)
        around.__exit__(None, None, None)


@pytest.fixture
def owner(reference_data: None) -> Any:
    """The customer whose things the test is about."""
    return make_user(phone="+919876543210", name="Asha Owner")


@pytest.fixture
def stranger(reference_data: None) -> Any:
    """Another customer, who must see and change nothing of the owner's."""
    return make_user(phone="+919812345678", name="Bala Stranger")


@pytest.fixture
def support(reference_data: None) -> Any:
    return make_staff("support")


@pytest.fixture
def finance(reference_data: None) -> Any:
    return make_staff("finance")


@pytest.fixture
def colleagues(reference_data: None) -> None:
    """The rows of ASHA, BALA, CHITRA and DEEPA."""
    make_colleagues()


@pytest.fixture
def catalogue_manager(reference_data: None) -> Any:
    return make_staff("catalogue_manager")


@pytest.fixture
def administrator(reference_data: None) -> Any:
    return make_staff("admin")


@pytest.fixture
def anonymous() -> APIClient:
    return CheckedClient()


@pytest.fixture
def client_of() -> Callable[[Any], APIClient]:
    """Return an API client that is signed in as a user."""

    def make(user: Any) -> APIClient:
        client = CheckedClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {make_access_token(user)}")
        return client

    return make


@pytest.fixture
def recent_audits_find_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "run", compare_with_recent(audit.run))


@pytest.fixture
def count_queries() -> Callable[[], CaptureQueriesContext]:
    """
    Return what makes a context that counts queries.

    `with count_queries() as queries: ...; len(queries)`
    """
    return lambda: CaptureQueriesContext(connection)


@pytest.fixture(scope="session")
def stop_later() -> Iterator[Callable[[Callable[[], None]], None]]:
    """Return a function that stops something while the tests go on, and fail at the end if one could not be stopped."""
    with ThreadPoolExecutor(1) as thread:
        stopped: list[Future[None]] = []
        yield lambda stop: stopped.append(thread.submit(stop))
    for one in stopped:
        one.result()


@pytest.fixture
def sandbox(stop_later: Callable[[Callable[[], None]], None]) -> Iterator[Any]:
    """The outside world in this process, with the product pointed at it."""
    from django.test import override_settings

    from sandbox.server import running

    running_world = contextlib.ExitStack()
    world = running_world.enter_context(running())
    try:
        with override_settings(
            RAZORPAY_BASE_URL=world.razorpay_url,
            MSG91_BASE_URL=world.msg91_url,
            EMAIL_BACKEND="apps.core.mail.EmailBackend",
            EMAIL_HOST="127.0.0.1",
            EMAIL_PORT=world.smtp_port,
        ):
            yield world
    finally:
        # Its web server looks every 50 ms whether it has to end, which is longer than most of these tests take.
        stop_later(running_world.close)
