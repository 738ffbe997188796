#!/usr/bin/env python
"""Run one of Bahi's operator commands; `manage.py help` lists them."""

import os
import sys

from django.db import InterfaceError, OperationalError

from apps.core.management.command_help import print_help
from apps.core.management.operating import BAD_SETTINGS, FAILED, error_json, first_line
from config.settings import settings_module


def main() -> None:
    if print_help(sys.argv[1:]):
        return
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", settings_module(os.environ))
    from django.conf import settings
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except SystemExit as end:
        if end.code == FAILED and "--json" in sys.argv and not settings.configured:
            sys.stdout.write(
                error_json(BAD_SETTINGS, "The environment is not valid; what is wrong is on stderr.") + "\n"
            )
        raise
    except (OperationalError, InterfaceError) as failure:
        # Of Django's own commands; ours say it themselves.
        sys.stderr.write(f"The database does not answer, or took too long: {first_line(failure)}\n")
        sys.exit(FAILED)
    except BrokenPipeError:
        # Who reads our output has seen enough, as `head` has: no traceback, and no promise that all went well.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()
