"""What every command for operators does alike: progress, exit codes, readable dates, and no traceback for what can happen."""

import argparse
import sys
import time
from datetime import date, datetime
from typing import Any, TextIO

from django.core.management.base import BaseCommand, CommandError, OutputWrapper
from django.db import InterfaceError, OperationalError

from apps.core import clock

#: What was compared does not agree; it could not be done at all; Ctrl-C.
DIFFERS, FAILED, INTERRUPTED = 1, 2, 130

_ON_A_TERMINAL, _IN_A_LOG = 0.1, 10.0


class OperatorCommand(BaseCommand):
    """
    A command for operators. Exits 0 if all is well, 1 if something does not agree, 2 if it could not be done.

    A database that does not answer, and Ctrl-C, end it with a sentence.
    """

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            return super().execute(*args, **options)
        except (OperationalError, InterfaceError) as failure:
            why = str(failure).strip().partition("\n")[0]
            raise CommandError(f"The database does not answer, or took too long: {why}", returncode=FAILED) from failure
        except BrokenPipeError:
            # Whoever read our output has seen enough, as `| head` has.
            sys.stderr.close()
            raise SystemExit(0) from None
        except KeyboardInterrupt:
            self.stderr.write("\nStopped. What was done is kept whole; run it again to go on.")
            raise SystemExit(INTERRUPTED) from None

    def fail(self, text: str) -> CommandError:
        """Return the error that ends a command which cannot do what it was asked."""
        return CommandError(text, returncode=FAILED)


class Progress:
    """How far long work is, on stderr: a line that rewrites itself on a terminal, or one every ten seconds in a log."""

    def __init__(self, stream: OutputWrapper | TextIO) -> None:
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._next = time.monotonic() + (0 if self._is_terminal else _IN_A_LOG)
        self._is_open = False

    def show(self, text: str) -> None:
        """Say it, unless something was said a moment ago."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + (_ON_A_TERMINAL if self._is_terminal else _IN_A_LOG)
        self._stream.write(f"\r\033[K{text}" if self._is_terminal else f"{text}\n")
        self._stream.flush()
        self._is_open = self._is_terminal

    def end(self) -> None:
        """Take the line away, so that the result stands alone."""
        if self._is_open:
            self._stream.write("\r\033[K")
            self._stream.flush()
            self._is_open = False


def instant(text: str) -> datetime:
    """Read an instant from the command line: a day or a time, in India unless it says where."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no instant; write 2026-11-20, or 2026-11-20T18:30 (Indian time)"
        ) from error
    at = at if at.tzinfo else at.replace(tzinfo=clock.IST)
    if at > clock.now():
        raise argparse.ArgumentTypeError(f"{text!r} is in the future")
    return at


def day(text: str) -> date:
    """Read a day of the Indian calendar from the command line."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no day; write it as 2026-11-20") from error
