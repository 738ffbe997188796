"""What every command for operators does alike: examples in its help, progress, exit codes, readable dates, no traceback."""

import argparse
import json
import logging
import os
import re
import sys
import time
import traceback
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any, TextIO

from django.core.management.base import BaseCommand, CommandError, CommandParser, DjangoHelpFormatter, OutputWrapper
from django.db import InterfaceError, OperationalError, ProgrammingError

from apps.core import clock
from apps.core.dates import YEARS

#: What was compared does not agree; it could not be done at all; Ctrl-C.
MISMATCH, FAILED, INTERRUPTED = 1, 2, 130
#: Why a command could not run, as its JSON says it.
COULD_NOT_RUN, DATABASE_UNAVAILABLE, UNKNOWN_COMMAND, BAD_ARGUMENTS, BAD_SETTINGS, INTERNAL = (
    "could_not_run", "database_unavailable", "unknown_command", "bad_arguments", "bad_settings", "internal",
)  # fmt: skip

#: What Postgres says of a table or a column that is not there (SQLSTATE, appendix A of its manual).
_UNKNOWN_TABLE_OR_COLUMN = ("42P01", "42703")

_ON_A_TERMINAL, _IN_A_LOG = 0.1, 10.0

_MANAGE = "manage.py"
#: The variable with which `bin/bahi` says that it started the command.
PROGRAM_VARIABLE = "BAHI_PROGRAM"


def program_name() -> str:
    """Return what people type to start a command: `bin/bahi` where that has started this one, else `manage.py`."""
    return os.environ.get(PROGRAM_VARIABLE) or _MANAGE


class OperatorCommand(BaseCommand):
    """
    A command for operators. Exits 0 if all is well, 1 if something does not agree, 2 if it could not run.

    What keeps it from running (arguments, an unknown id, a database that does not answer, a bug in Bahi) is a sentence on
    stderr, and with `--json` also one JSON object on stdout: `{"error": {"code": ..., "message": ...}}`. Its module imports no
    Django app before it runs, so that `--help` is there at once.
    """

    #: Where log lines go: stdout belongs to what the command was asked for. A process that only logs has it otherwise.
    logs_to_stderr = True

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        parser.prog = parser.prog.replace(_MANAGE, program_name(), 1)
        return parser

    def run_from_argv(self, argv: list[str]) -> None:
        self._has_begun = False
        if self.logs_to_stderr:
            _log_to_stderr()
        try:
            _check_is_text(argv)
            super().run_from_argv(argv)
        except SystemExit as end:
            if end.code == FAILED and not self._has_begun and "--json" in argv:
                self._write_error(BAD_ARGUMENTS, f"The arguments are not valid: {self._refusal_of(argv)}.")
            raise
        except Exception as fault:
            # A bug in Bahi must not look like books that do not agree.
            traceback.print_exc()
            if "--json" in argv:
                self._write_error(
                    INTERNAL, f"Something went wrong on our side: {type(fault).__name__}. The traceback is on stderr."
                )
            raise SystemExit(FAILED) from fault

    def execute(self, *args: Any, **options: Any) -> str | None:
        self._has_begun = True
        try:
            result = super().execute(*args, **options)
            sys.stdout.flush()  # here, where a closed pipe can still be distinguished from one that was read to its end
        except CommandError as refusal:
            refusal.returncode = FAILED
            self._write_refusal(COULD_NOT_RUN, str(refusal), options)
            raise
        except (OperationalError, InterfaceError, ProgrammingError) as failure:
            code, text = _explain_database_error(failure)
            if not code:
                raise
            self._write_refusal(code, text, options)
            raise CommandError(text, returncode=FAILED) from failure
        except EOFError:
            raise CommandError(
                "The input ended before every question was answered. Nothing was done.", returncode=FAILED
            ) from None
        except BrokenPipeError:
            raise end_without_reader() from None
        except KeyboardInterrupt:
            self.stderr.write("\nStopped. What was finished is saved; run the command again to continue.")
            raise SystemExit(INTERRUPTED) from None
        return result

    def fail(self, text: str) -> CommandError:
        """Return the error that ends a command which cannot do what it was asked."""
        return CommandError(text, returncode=FAILED)

    def _refusal_of(self, argv: list[str]) -> str:
        """Return why arguments that were refused are not valid, in the words that are written to stderr."""
        self._called_from_command_line = False  # then the parser raises what it would print
        try:
            self.create_parser(argv[0], argv[1]).parse_args(argv[2:])
        except CommandError as refusal:
            return str(refusal).removeprefix("Error: ").rstrip(".")
        return "the usage is on stderr"

    def _write_refusal(self, code: str, text: str, options: dict[str, Any]) -> None:
        """Write why a command that has begun could not run, if it was asked for JSON."""
        if options.get("as_json"):
            self._write_error(code, text, stream=options.get("stdout"))

    def _write_error(self, code: str, text: str, *, stream: Any = None) -> None:
        """Write why a command could not run as JSON, unless it has begun to write something else."""
        if self.has_written:
            return
        (OutputWrapper(stream) if stream else self.stdout).write(error_json(code, text))

    #: Set by a command that streams its JSON, and closes it itself if it breaks off.
    has_written = False


def _explain_database_error(failure: Exception) -> tuple[str, str]:
    """Return the code and the sentence about an error of the database; both are empty for a bug in Bahi."""
    if not isinstance(failure, ProgrammingError):
        return DATABASE_UNAVAILABLE, f"The database does not answer, or took too long: {first_line(failure)}"
    if getattr(failure.__cause__, "sqlstate", "") not in _UNKNOWN_TABLE_OR_COLUMN:
        return "", ""
    return COULD_NOT_RUN, (
        f"The database does not have the tables of this version; run `{program_name()} migrate` first ({first_line(failure)})."
    )


def _log_to_stderr() -> None:
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stdout:
            handler.setStream(sys.stderr)


def _check_is_text(argv: list[str]) -> None:
    """Exit with 2 if an argument holds bytes that are no UTF-8, which neither the database nor JSON can hold."""
    try:
        "".join(argv).encode()
    except UnicodeEncodeError:
        sys.stderr.write("An argument is not valid UTF-8 text.\n")
        raise SystemExit(FAILED) from None


def error_json(code: str, text: str) -> str:
    """Return why a command could not run, as `--json` has it."""
    return json.dumps({"error": {"code": code, "message": text}}, indent=2)


def end_without_reader() -> SystemExit:
    """Return the exit of a command whose output nobody reads to its end, as with `| head`: it has not finished."""
    os.dup2(
        os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
    )  # the interpreter flushes once more, without a traceback
    return SystemExit(FAILED)


def first_line(failure: Exception) -> str:
    """Return what an error says first, without the details that follow."""
    return str(failure).strip().partition("\n")[0]


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


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: 1 line, 2,000 lines."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


#: fromisoformat alone would also read weeks and ordinal days.
_BEGINS_WITH_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:$|[T ])")


def parse_instant(text: str) -> datetime:
    """Read an instant from the command line: a day or a time, in India unless it says where; the years are 2000 to 2199."""
    try:
        at = datetime.fromisoformat(text if _BEGINS_WITH_DAY.match(text) else "")
    except ValueError as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time; write 2026-11-20, or 2026-11-20T18:30 (Indian time)"
        ) from error
    _check_year(text, at)
    at = at if at.tzinfo else at.replace(tzinfo=clock.IST)
    if at > clock.now():
        raise argparse.ArgumentTypeError(f"{text!r} is in the future")
    return at


def parse_day(text: str) -> date:
    """Read a day of the Indian calendar from the command line; the years are 2000 to 2199."""
    try:
        day = date.fromisoformat(text if _BEGINS_WITH_DAY.match(text) else "")
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date; write it as 2026-11-20") from error
    _check_year(text, day)
    return day


def _check_year(text: str, day: date) -> None:
    if day.year not in YEARS:
        raise argparse.ArgumentTypeError(f"{text!r} is not between {YEARS[0]} and {YEARS[-1]}")


class _AsWritten(DjangoHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Keeps the line breaks of examples."""


def add_examples(parser: CommandParser, examples: Iterable[tuple[str, str]]) -> None:
    """Show examples below a command's help: what to type, beginning with `manage.py`, and what it is for."""
    shown = [(typed.replace(_MANAGE, program_name(), 1), purpose) for typed, purpose in examples]
    width = max(len(typed) for typed, _ in shown)
    parser.formatter_class = _AsWritten
    parser.epilog = "examples:\n" + "\n".join(f"  {typed:<{width}}  {purpose}" for typed, purpose in shown)
