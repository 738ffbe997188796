"""The pair of servers, and what the tests read of it."""

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections
from structlog.testing import capture_logs

from apps.accounts.models import User
from apps.catalog.models import Variant
from apps.catalog.views import RESPONSES
from apps.core import replica
from tests.factories.accounts import make_user
from tests.factories.catalog import make_registration, make_variant
from tests.support.standby import Pair, primary_and_replica, used_by_django


@pytest.fixture(scope="package")
def servers(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with (
        django_db_blocker.unblock(),
        primary_and_replica(tmp_path_factory.mktemp("pair")) as pair,
        used_by_django(pair),
    ):
        call_command("setup_reference_data", verbosity=0)
        make_registration()
        yield pair


@pytest.fixture
def pair(servers: Pair, django_db_blocker: Any, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[Pair]:
    """Return the pair, whole and level, to a process that knows nothing of it yet."""
    settings.HOT_PATH = "sql"
    settings.DATABASE_ROUTERS = ["apps.core.replica.Router"]
    monkeypatch.setattr(replica, "_replica", replica._Replica())
    monkeypatch.setattr(replica, "_marks", replica._Marks())
    monkeypatch.setattr(RESPONSES, "_position", None)
    with django_db_blocker.unblock():
        yield servers
        connections[replica.ALIAS].close()
        if servers.replica.pid is None:
            servers.replica.revive()
        os.kill(servers.replica.pid, signal.SIGCONT)
        servers.resume_replay()
        servers.wait_until_replayed()


@pytest.fixture
def buyer(pair: Pair) -> User:
    return make_user()


@pytest.fixture
def variant(pair: Pair) -> Variant:
    made = make_variant(stock=3)
    pair.wait_until_replayed()
    return made


@pytest.fixture
def log() -> Iterator[Any]:
    with capture_logs() as lines:
        yield lines


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Return what runs a command and returns what it printed."""

    def run(*words: str) -> str:
        call_command(*words)
        return capsys.readouterr().out

    return run
