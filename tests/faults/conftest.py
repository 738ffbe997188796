"""
A whole stack for the fault tests: its own servers, processes and sandbox, and a buyer who meets it over HTTP.

Nothing here judges how long something takes: whoever waits does so for a condition, and gives up only when it will never come.
Before each test `restored` puts everything back, so that a test that fails takes no other with it.
"""

from collections.abc import Generator, Iterator

import pytest

from devtools import environment
from devtools.embedded import Servers
from devtools.processes import Stack, read_procfile
from tests.support.running_stack import RunningStack


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    place = tmp_path_factory.mktemp("stack")
    # Kept, not temporary: a temporary cluster may lose its last commits when it is killed.
    servers = Servers(place / "data")
    try:
        servers.start()
        ports = environment.Ports.choose()
        env = environment.build_environment(servers.env, ports, data_dir=place, ignore_user=True)
        env |= {"DJANGO_SETTINGS_MODULE": "tests.faults.settings", "FAULT_DIR": str(place), "LOG_FORMAT": "json"}
        # A test that keeps a row locked until something has happened must not meet a time-out first.
        env |= dict.fromkeys(
            ("DB_LOCK_TIMEOUT_MS", "DB_STATEMENT_TIMEOUT_MS", "DB_IDLE_IN_TRANSACTION_TIMEOUT_MS"), "120000"
        )
        # A test that keeps a worker from its work must not have its orders refused for that; test_overload wants them to be.
        env |= {"MAX_BUYER_WAIT_SECONDS": "0", "MAX_MONEY_WAIT_SECONDS": "0"}
        stack = Stack(servers, env, ports, logs=place / "logs")
        stack.run_manage("migrate", "migrate", "--no-input", "--verbosity", "0")
        stack.run_manage("reference", "setup_reference_data")
        stack.run_manage("demo-data", "load_demo_data")
        stack.start()
        yield RunningStack(servers, stack, place)
    finally:
        servers.stop()


@pytest.fixture(autouse=True)
def restored(request: pytest.FixtureRequest) -> None:
    """Every test that uses the stack finds it whole."""
    if "running" in request.fixturenames:
        request.getfixturevalue("running").restore()


@pytest.fixture
def no_process_ends(running: RunningStack, restored: None) -> Iterator[None]:
    """Fail if a process of the stack ended, whether or not it was started again."""
    restarted = len(running.restarted)
    yield
    running.restart_ended()
    assert running.restarted[restarted:] == [], "\n".join(running.ends[restarted:])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what each process was doing when a test failed: the stack is gone when somebody reads of it."""
    report = yield
    running = getattr(item, "funcargs", {}).get("running")
    if report.failed and isinstance(running, RunningStack):
        report.sections += [(f"log of {name}", running.stack.read_log_end(name)) for name in read_procfile()]
    return report
