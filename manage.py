#!/usr/bin/env python
"""Run one of Bahi's operator commands; `manage.py help` lists them."""

import os
import sys
from typing import Never

from django.db import InterfaceError, OperationalError

from apps.core.management.command_help import print_help
from apps.core.management.operator_commands import (
    BAD_SETTINGS,
    FAILED,
    UNKNOWN_COMMAND,
    end_without_reader,
    error_json,
    first_line,
    program_name,
)
from config.settings import settings_module

#: The variables with which the process was started.
_GIVEN = dict(os.environ)


def main() -> None:
    if print_help(sys.argv[1:]):
        return
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", settings_module(os.environ))
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except SystemExit as end:
        from config.settings.environment import InvalidEnvironment

        if isinstance(end.__cause__, InvalidEnvironment):
            _hint_at_embedded_servers()
            _fail(BAD_SETTINGS, str(end.__cause__))
        if (name := _unknown_command()) is not None and end.code:
            _fail(UNKNOWN_COMMAND, f"There is no command {name!r}; `{program_name()} help` lists them.")
        raise
    except (OperationalError, InterfaceError) as failure:
        # Of Django's own commands; ours say it themselves.
        sys.stderr.write(f"The database does not answer, or took too long: {first_line(failure)}\n")
        sys.exit(FAILED)
    except BrokenPipeError:
        raise end_without_reader() from None


def _unknown_command() -> str | None:
    """Return the name that the command line begins with, or asks for help about, if there is no such command."""
    from django.core.management import get_commands

    names = [argument for argument in sys.argv[1:] if argument != "help"]
    return None if not names or names[0] in get_commands() else names[0]


def _hint_at_embedded_servers() -> None:
    """Say what sets everything on one machine, if nothing says which environment this is."""
    if not _GIVEN.get("ENVIRONMENT") and not _GIVEN.get("DJANGO_SETTINGS_MODULE"):
        sys.stderr.write(
            f"To try Bahi on this machine, run `bin/bahi {' '.join(sys.argv[1:2])}`: it sets all of these for the embedded servers.\n"
        )


def _fail(code: str, text: str) -> Never:
    """End as a command does that could not run. What people read is on stderr already."""
    if "--json" in sys.argv:
        sys.stdout.write(error_json(code, text) + "\n")
    sys.exit(FAILED)


if __name__ == "__main__":
    main()
