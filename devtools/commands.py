"""One command with everything that it needs around it: `with-servers` for any, `manage` for those of manage.py."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence

from apps.core.management.command_help import print_help
from apps.core.management.operator_commands import PROGRAM_VARIABLE
from config.settings import settings_module
from devtools import environment, posix
from devtools.embedded import CHECKOUT, RUN_DATA, Servers, attach
from devtools.run import list_missing_parts

MANAGE = str(CHECKOUT / "manage.py")
_PREPARED_BY_ITSELF = frozenset(
    {
        "help", "version", "check", "makemigrations", "migrate", "showmigrations", "sqlmigrate", "squashmigrations",
        "optimizemigration", "spectacular", "collectstatic", "findstatic", "makemessages", "compilemessages",
        "diffsettings", "startapp", "sendtestemail", "test", "testserver", "dbshell", "shell", "flush",
        "setup_reference_data",
    }
)  # fmt: skip


def exit_with_make() -> None:
    """Under make, end this process when make is killed: a killed make cannot stop it, and nothing else would."""
    if "MAKELEVEL" in os.environ:
        posix.exit_with_parent(signal.SIGTERM)


def with_servers(command: Sequence[str]) -> int:
    """
    Become `command`, with temporary servers for as long as it runs, where the environment names none.

    :raises ServersFailed: if they cannot be started
    """
    env = _build_environment(list_missing_parts(), temporary=True)
    # A test runner and a tool choose their own settings.
    if "DJANGO_SETTINGS_MODULE" not in os.environ:
        env.pop("DJANGO_SETTINGS_MODULE")
    return _exec(list(command), env)


def manage(arguments: Sequence[str]) -> int:
    """
    Become `manage.py` with the environment of this checkout: that of the stack that runs, or servers for the duration.

    :raises ServersFailed: if servers are needed and cannot be started
    """
    os.environ.setdefault(PROGRAM_VARIABLE, "bin/bahi")
    if print_help(arguments):
        return 0
    chosen = {"ENVIRONMENT": os.environ.get("ENVIRONMENT") or "local"}
    settings = os.environ.get("DJANGO_SETTINGS_MODULE") or settings_module(chosen)
    if settings != environment.LOCAL_SETTINGS:
        # The user configured this process, perhaps for production: development values must not fill its gaps.
        return _exec([sys.executable, MANAGE, *arguments], dict(os.environ))
    parts = list_missing_parts()
    if not arguments or arguments[0].startswith("-"):
        parts = []
    env = _build_environment(parts, temporary=False)
    if parts and arguments[0] not in _PREPARED_BY_ITSELF:
        _prepare(env)
    return _exec([sys.executable, MANAGE, *arguments], env)


def _build_environment(parts: list[str], *, temporary: bool) -> dict[str, str]:
    """Return the environment, with new servers for the missing parts or with those of the running stack."""
    ports = environment.Ports(8000, 9000, 9025)
    env = environment.build_environment({}, ports, data_dir=RUN_DATA)
    environment.require_valid(env)
    if not parts:
        return env
    if not temporary and (running := attach()) is not None:
        stack = environment.read_stack(RUN_DATA)
        return environment.build_environment({**stack, **running}, ports, data_dir=RUN_DATA)
    servers = Servers(None if temporary else RUN_DATA, parts=parts)
    env = environment.build_environment(servers.start(), ports, data_dir=RUN_DATA)
    servers.keep_across_exec()
    return env


def _prepare(env: dict[str, str]) -> None:
    """Give a new database its tables, so that the first command of a fresh checkout finds what it asks for."""
    import psycopg

    with psycopg.connect(env["DATABASE_URL"]) as connection:
        found = connection.execute("SELECT to_regclass('django_migrations')").fetchone()
    if found != (None,):
        return
    print("The database is new: creating its tables ...", file=sys.stderr, flush=True)
    for step in (["migrate", "--no-input", "--verbosity", "0"], ["setup_reference_data"]):
        subprocess.run([sys.executable, MANAGE, *step], env=env, stdout=sys.stderr, check=True)


def _exec(command: list[str], env: dict[str, str]) -> int:
    """Replace this process, so that signals, terminal and exit code are the command's own."""
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execvpe(command[0], command, env)
    except OSError as refused:
        print(f"{command[0]}: {refused.strerror}", file=sys.stderr)
        return 127
