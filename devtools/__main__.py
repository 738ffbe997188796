"""The command line of devtools; `make` and `bin/bahi` call it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence

from devtools import environment
from devtools.subcommands import SUBCOMMANDS, Subcommand

_HELP_OPTIONS = ("-h", "--help")
_INTERRUPTED, _COULD_NOT_RUN, _FAILED = 130, 2, 1
_USAGE = "usage: python -m devtools SUBCOMMAND ..."
_DESCRIPTION = """\
Bahi on one machine. `make help` lists the usual ways in; they are built from these subcommands.

PostgreSQL and Valkey come out of Python wheels, listen on Unix sockets only, and end with the process that started them.
If you set DATABASE_URL or REDIS_URL, your own servers are used instead, except by the demo.
"""
_EXAMPLES = """\
examples:
  python -m devtools run
  python -m devtools with-servers -- python manage.py migrate --plan
  python -m devtools manage audit --list          (the same as: bin/bahi audit --list)

`python -m devtools SUBCOMMAND --help` says more about one of them.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; return its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] and words[0] in _HELP_OPTIONS:
        print(_format_help())
        return 0
    subcommand = next((each for each in SUBCOMMANDS if words[:1] == [each.name]), None)
    if subcommand is None:
        print(_format_refusal(words), file=sys.stderr)
        return _COULD_NOT_RUN
    arguments = words[1:]
    if arguments[:1] and arguments[0] in _HELP_OPTIONS and not subcommand.has_own_help:
        print(subcommand.format_help())
        return 0
    if arguments and not subcommand.arguments:
        print(f"{subcommand.name}: takes no arguments, but got {arguments[0]!r}", file=sys.stderr)
        return _COULD_NOT_RUN
    return _run(subcommand, arguments)


def _format_help() -> str:
    width = max(len(each.name) for each in SUBCOMMANDS)
    rows = [f"  {each.name:<{width}}  {each.summary}" for each in SUBCOMMANDS]
    return "\n".join([_USAGE, "", _DESCRIPTION, "subcommands:", *rows, "", _EXAMPLES.rstrip()])


def _format_refusal(words: Sequence[str]) -> str:
    names = ", ".join(each.name for each in SUBCOMMANDS)
    problem = f"There is no subcommand {words[0]!r}." if words else "A subcommand is missing."
    return f"{_USAGE}\n{problem} The subcommands are: {names}."


def _run(subcommand: Subcommand, arguments: list[str]) -> int:
    """Run a subcommand; what can go wrong becomes a sentence and an exit code, and not a traceback."""
    is_json = subcommand.name == "manage" and "--json" in arguments
    try:
        code = subcommand.run(arguments)
    except KeyboardInterrupt:
        code = _INTERRUPTED
    except BrokenPipeError:
        # Nobody reads our output to its end, as with `| head`: the work is not finished.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = _COULD_NOT_RUN
    except subprocess.CalledProcessError as failed:
        code = failed.returncode
    except environment.InvalidEnvironment as wrong:
        print(wrong, file=sys.stderr)
        _print_error("bad_settings", " ".join(str(wrong).splitlines()), is_json=is_json)
        code = _COULD_NOT_RUN
    except RuntimeError as failed:
        # Those of devtools are sentences for the user; any other is a bug and keeps its traceback.
        if not type(failed).__module__.startswith("devtools"):
            raise
        print(f"{subcommand.name}: {failed}", file=sys.stderr)
        _print_error("could_not_run", str(failed), is_json=is_json)
        code = _COULD_NOT_RUN if subcommand.name == "manage" else _FAILED
    return code


def _print_error(code: str, text: str, *, is_json: bool) -> None:
    """Print as JSON, as commands do, why one did not begin; nothing of Django may be installed where this module runs."""
    if is_json:
        print(json.dumps({"error": {"code": code, "message": text}}, indent=2))


if __name__ == "__main__":
    sys.exit(main())
