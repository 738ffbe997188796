"""What the commands of the benchmark share: their options, their refusal of a busy machine, and their report."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

from bench.cpu import load_average

#: More processes than this that want a core make the figures of a benchmark worthless.
_QUIET_LOAD = 0.5


def add_shop_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of every command that starts a shop."""
    parser.add_argument("--hot-path", choices=("orm", "sql"), default="sql", help="which implementation (default: sql)")
    parser.add_argument("--strict", action="store_true", help="refuse to measure while the machine is busy")
    parser.add_argument("--report", type=Path, help="a file to write the result to, as Markdown")


def refuse_busy(options: argparse.Namespace) -> bool:
    """Return whether the machine is too busy for `--strict`, and say so."""
    busy = load_average()
    if not options.strict or busy <= _QUIET_LOAD:
        return False
    print(f"bench: The machine is busy (load {busy:.1f}). Wait, or leave --strict out.", file=sys.stderr)
    return True


def format_facts(options: argparse.Namespace, busy: float) -> str:
    """Return when, where and how it was measured, in a sentence."""
    now = datetime.now(tz=UTC).strftime("%d %B %Y")
    return (
        f"Measured on {now}: {os.cpu_count()} cores, Python {platform.python_version()}, HOT_PATH={options.hot_path}, "
        f"load average {busy:.1f} before and {load_average():.1f} after."
    )


def print_report(report: str, options: argparse.Namespace) -> None:
    """Print a report, and write it where the options say."""
    print(report)
    if options.report:
        options.report.write_text(report + "\n")


def say(text: str) -> None:
    """Say what is going on, apart from the report."""
    print(f"bench: {text}", file=sys.stderr, flush=True)
