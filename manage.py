#!/usr/bin/env python
"""Run one of Bahi's operator commands; `manage.py help` lists them."""

import os
import sys

from config.settings import settings_module


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", settings_module(os.environ))
    from django.core.management import execute_from_command_line

    try:
        execute_from_command_line(sys.argv)
    except BrokenPipeError:
        # Who reads our output has seen enough, as `head` has: no traceback, and no promise that all went well.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()
