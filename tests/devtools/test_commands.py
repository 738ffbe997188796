"""`with-servers` and `bin/bahi`: arguments, exit codes and signals are the command's own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from devtools import __main__
from devtools.embedded import CHECKOUT
from devtools.subcommands import SUBCOMMANDS

pytestmark = pytest.mark.timeout(600)

CLEAN = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL", "MAKELEVEL"}}


def devtools(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    options.setdefault("env", CLEAN)
    return subprocess.run(
        [sys.executable, "-m", "devtools", *arguments],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        **options,
    )


def test_the_command_gets_servers_its_arguments_and_keeps_its_exit_code() -> None:
    script = (
        "import os, sys, redis, psycopg\n"
        "psycopg.connect(os.environ['DATABASE_URL']).close()\n"
        "assert redis.Redis.from_url(os.environ['REDIS_URL']).ping()\n"
        "print(sys.argv[1:], len(os.environ['SECRET_KEY']) > 40, 'DJANGO_SETTINGS_MODULE' in os.environ)\n"
        "sys.exit(7)\n"
    )
    env = {name: value for name, value in CLEAN.items() if name != "DJANGO_SETTINGS_MODULE"}

    done = devtools("with-servers", "--", sys.executable, "-c", script, "a b", "--help", env=env)

    assert done.stdout == "['a b', '--help'] True False\n", done.stderr
    assert done.returncode == 7


def test_configured_servers_are_left_alone() -> None:
    configured = {**CLEAN, "DATABASE_URL": "postgres://theirs/shop", "REDIS_URL": "redis://theirs/0"}

    done = devtools("with-servers", "--", "sh", "-c", 'echo "$DATABASE_URL $REDIS_URL"', env=configured)

    assert done.stdout == "postgres://theirs/shop redis://theirs/0\n"


def test_the_servers_end_with_the_command_that_is_killed(wait_until: Any, alive: Any) -> None:
    script = "echo $REDIS_URL; exec sleep 300"
    with subprocess.Popen(
        [sys.executable, "-m", "devtools", "with-servers", "--", "sh", "-c", script],
        cwd=CHECKOUT, env=CLEAN, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        sockets = Path(process.stdout.readline().strip().removeprefix("unix://")).parent
        assert sockets.is_dir()

        process.send_signal(signal.SIGKILL)

        assert process.wait(240) == -signal.SIGKILL
    wait_until(lambda: not sockets.exists())


def test_an_unknown_command_and_a_missing_one_say_so() -> None:
    missing = devtools("with-servers")
    unknown = devtools("with-servers", "--", "no-such-program-at-all")

    assert (missing.returncode, unknown.returncode) == (2, 127)
    assert "A command is missing" in missing.stderr
    assert "no-such-program-at-all" in unknown.stderr


def test_help_teaches_every_subcommand() -> None:
    done = devtools("--help")

    assert done.returncode == 0
    for word in ("DATABASE_URL", "examples:", *(text for each in SUBCOMMANDS for text in (each.name, each.summary))):
        assert word in done.stdout


@pytest.mark.parametrize(
    ("words", "problem"), [([], "A subcommand is missing."), (["sell"], "There is no subcommand 'sell'.")]
)
def test_a_subcommand_that_is_missing_or_unknown_is_refused_with_the_list(
    words: Any, problem: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert __main__.main(words) == 2

    assert f"{problem} The subcommands are: setup, run, demo, " in capsys.readouterr().err


def test_help_of_a_subcommand_says_what_may_follow_and_gives_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main(["contract", "--help"]) == 0

    assert capsys.readouterr().out == (
        "usage: python -m devtools contract [python] [conformance] [typescript]\n\n"
        "Check the OpenAPI document against the API that runs.\n\n"
        "Without a name, `python` and `conformance` run; `typescript` needs Node.js and npm.\n\n"
        "Example:\n  python -m devtools contract conformance\n"
    )


@pytest.mark.parametrize("option", ["--help", "-h"])
@pytest.mark.parametrize("subcommand", [each.name for each in SUBCOMMANDS if not each.has_own_help])
def test_help_of_a_subcommand_does_nothing_else(
    subcommand: Any, option: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(__main__, "SUBCOMMANDS", [replace(each, run=pytest.fail) for each in SUBCOMMANDS])

    assert __main__.main([subcommand, option]) == 0

    said = capsys.readouterr()
    assert said.out.startswith(f"usage: python -m devtools {subcommand}")
    assert said.err == ""


def test_help_of_manage_is_that_of_its_commands() -> None:
    done = devtools("manage", "--help")

    assert done.returncode == 0, done.stderr
    assert "setup_reference_data" in done.stdout


@pytest.mark.parametrize("subcommand", ["run", "demo", "lint-migrations", "test-pythons", "clean"])
def test_an_argument_that_means_nothing_is_refused(
    subcommand: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(__main__, "SUBCOMMANDS", [replace(each, run=pytest.fail) for each in SUBCOMMANDS])

    assert __main__.main([subcommand, "--port"]) == 2

    assert capsys.readouterr().err == f"{subcommand}: takes no arguments, but got '--port'\n"


def test_bahi_works_through_a_symbolic_link_from_anywhere(tmp_path: Path) -> None:
    (tmp_path / "bahi").symlink_to(CHECKOUT / "bin/bahi")

    done = subprocess.run(
        [str(tmp_path / "bahi"), "version"], cwd=tmp_path, env={**CLEAN, "DATABASE_URL": "postgres://x/y", "REDIS_URL": "redis://x/0"},
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("5.2")


@pytest.mark.parametrize(("arguments", "stdout"), [(["audit"], False), (["audit", "--json"], True)])
def test_bahi_without_a_virtual_environment_exits_2_and_says_what_to_do(
    arguments: Any, stdout: Any, tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    shutil.copy(CHECKOUT / "bin/bahi", tmp_path / "bin/bahi")

    done = subprocess.run(
        [str(tmp_path / "bin/bahi"), *arguments], env=CLEAN, capture_output=True, text=True, timeout=60, check=False
    )

    sentence = f"There is no virtual environment yet. Run `make setup` in {tmp_path.resolve()} first."
    assert (done.returncode, done.stderr) == (2, f"bin/bahi: {sentence}\n")
    expected = {"error": {"code": "could_not_run", "message": sentence}}
    assert done.stdout == "" if not stdout else json.loads(done.stdout) == expected


def test_manage_with_wrong_settings_exits_2_in_valid_json() -> None:
    local = {name: value for name, value in CLEAN.items() if name not in {"DJANGO_SETTINGS_MODULE", "ENVIRONMENT"}}

    done = devtools("manage", "audit", "--json", env={**local, "PORT": "x"})

    sentence = "PORT must be a whole number from 0 to 65535, but it is 'x'; for example PORT=8000."
    assert (done.returncode, done.stderr) == (2, f"{sentence}\n")
    assert json.loads(done.stdout) == {"error": {"code": "bad_settings", "message": sentence}}
