"""The embedded servers work, stand side by side, and never outlive their owner. Real processes, real time."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from devtools import data_dirs, embedded

pytestmark = pytest.mark.timeout(600)


def test_both_servers_answer_on_sockets_that_only_we_can_enter() -> None:
    with embedded.servers() as env:
        sockets = Path(env["REDIS_URL"].removeprefix("unix://").partition("?")[0]).parent
        with psycopg.connect(env["DATABASE_URL"]) as connection:
            row = connection.execute("SELECT current_database(), current_setting('listen_addresses')").fetchone()
        with redis.Redis.from_url(env["REDIS_URL"]) as client:
            client.set("colour", "saffron")
            found, port = client.get("colour"), client.config_get("port")

        assert row == ("bahi", "")
        assert found == b"saffron"
        assert port == {"port": "0"}
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
        assert len(str(sockets / ".s.PGSQL.5432")) <= 107
    assert not sockets.exists()


def test_the_database_sorts_and_folds_the_same_on_every_machine() -> None:
    with embedded.servers() as env, psycopg.connect(env["DATABASE_URL"]) as connection:
        row = connection.execute("SELECT lower('ÉTÉ'), 'Zebra' < 'apple', current_setting('timezone')").fetchone()

    assert row == ("été", True, "UTC")


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_survives_the_owner(
    start_owner: Any, signum: Any, alive: Any, assert_gone: Any, wait_until: Any
) -> None:
    stubborn = "trap '' TERM INT; (trap '' TERM INT HUP; exec setsid sleep 300) & wait"
    owner = start_owner(spawn={"polite": "sleep 300"} if signum != signal.SIGKILL else {"stubborn": stubborn})
    assert all(alive(pid) for pid in owner.pids.values())

    owner.end(signum)

    pids = {name: pid for name, pid in owner.pids.items() if name != "stubborn"}
    if signum != signal.SIGKILL:
        assert_gone(pids)
    else:
        # The stubborn child is given its grace first; its escaped grandchild goes with it.
        wait_until(lambda: not alive(owner.pids["stubborn"]), 60)
        assert_gone(pids)
    wait_until(lambda: not owner.sockets.exists())


def test_nothing_survives_a_killed_supervisor(start_owner: Any, assert_gone: Any) -> None:
    owner = start_owner(spawn={"polite": "exec sleep 300"})

    os.kill(owner.pids["supervisor"], signal.SIGKILL)

    assert_gone(owner.pids)


def test_two_pairs_stand_side_by_side(start_owner: Any) -> None:
    first, second = start_owner(), start_owner()
    with psycopg.connect(first.env["DATABASE_URL"]) as connection:
        connection.execute("CREATE TABLE only_here ()")
    with psycopg.connect(second.env["DATABASE_URL"]) as connection:
        found = connection.execute("SELECT to_regclass('only_here')").fetchone()

    assert found == (None,)
    assert first.env["REDIS_URL"] != second.env["REDIS_URL"]

    first.end(signal.SIGTERM)

    with redis.Redis.from_url(second.env["REDIS_URL"]) as client:
        assert client.ping()


def test_a_kept_place_has_one_user_at_a_time_and_says_so(start_owner: Any, data_dir: Any) -> None:
    first = start_owner(data_dir)

    second = start_owner(data_dir)

    assert "already run" in second.said["failed"]
    assert str(first.pids["supervisor"]) in second.said["failed"]
    assert embedded.read_running_env(data_dir) == first.env


def test_data_outlives_a_supervisor_and_a_postgres_that_were_killed(start_owner: Any, data_dir: Any) -> None:
    first = start_owner(data_dir)
    with psycopg.connect(first.env["DATABASE_URL"]) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS value")
    os.kill(first.pids["supervisor"], signal.SIGSTOP)
    for name in ("postgres", "valkey", "supervisor"):
        os.kill(first.pids[name], signal.SIGKILL)
    first.end(signal.SIGKILL)

    second = start_owner(data_dir)

    with psycopg.connect(second.env["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT value FROM kept").fetchone() == (7,)


def test_a_pid_file_that_names_somebody_elses_process_is_no_obstacle(
    start_owner: Any, data_dir: Any, alive: Any, wait_until: Any
) -> None:
    first = start_owner(data_dir)
    first.end(signal.SIGTERM)
    wait_until(lambda: not alive(first.pids["supervisor"]))
    data = data_dir
    data = Path((data / "elsewhere").read_text()) if (data / "elsewhere").exists() else data
    (data / "postgres/postmaster.pid").write_text(f"{os.getpid()}\n{data}/postgres\n1\n5432\n/tmp\n\n\nready\n")

    second = start_owner(data_dir)

    assert alive(second.pids["postgres"])


def test_one_server_can_be_taken_away_and_brought_back() -> None:
    servers = embedded.Servers()
    env = servers.start()
    try:
        client = redis.Redis.from_url(env["REDIS_URL"])
        servers.stop_server("valkey")
        with pytest.raises(redis.ConnectionError):
            client.ping()

        servers.restart_server("valkey")

        assert client.ping()
        client.close()
    finally:
        servers.stop()


def test_a_server_that_dies_is_reported() -> None:
    servers = embedded.Servers(parts=["valkey"])
    servers.start()
    try:
        os.kill(servers.pids["valkey"], signal.SIGKILL)

        assert servers.wait_for_exit(5) == "valkey"
        assert servers.ended == {"valkey": -9}
    finally:
        servers.stop()


def test_a_forked_child_does_not_stop_its_parents_servers() -> None:
    with embedded.servers() as env:
        servers = embedded.Servers(parts=["valkey"])
        own = servers.start()
        child = os.fork()
        if child == 0:
            servers.stop()
            os._exit(0)
        os.waitpid(child, 0)

        with redis.Redis.from_url(own["REDIS_URL"]) as client, psycopg.connect(env["DATABASE_URL"]):
            assert client.ping()
        servers.stop()


CLIENT = """
import os, sys
from pathlib import Path
from devtools import embedded

data_dir = Path(sys.argv[1])
env = embedded.attach(data_dir)
if env is None:
    servers = embedded.Servers(data_dir)
    env = servers.start()
    servers.keep_across_exec()
os.environ.update(env)
print(env["DATABASE_URL"], flush=True)
os.execvp("sleep", ["sleep", "300"])
"""


def test_servers_of_one_command_wait_for_another_that_uses_them(data_dir: Any, wait_until: Any) -> None:
    with ExitStack() as running:
        urls, processes = [], []
        for _ in range(2):
            command = [sys.executable, "-c", CLIENT, str(data_dir)]
            process = subprocess.Popen(command, cwd=embedded.CHECKOUT, stdout=subprocess.PIPE, text=True)
            processes.append(running.enter_context(process))
            running.callback(process.kill)
            urls.append(process.stdout.readline().strip())
        owner, client = processes
        assert urls[0] == urls[1]

        owner.kill()
        owner.wait(240)
        time.sleep(0.5)

        with psycopg.connect(urls[0]) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        client.kill()
    wait_until(lambda: not data_dirs.is_locked(data_dir))


def test_a_command_that_comes_while_the_servers_stop_gets_its_own(data_dir: Any, wait_until: Any) -> None:
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", CLIENT.replace('"sleep", ["sleep", "300"]', '"true", ["true"]'), str(data_dir)],
            cwd=embedded.CHECKOUT, capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    wait_until(lambda: not data_dirs.is_locked(data_dir))
