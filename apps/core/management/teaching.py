"""Help that teaches: what a command is for, then examples to copy."""

from argparse import RawDescriptionHelpFormatter
from collections.abc import Iterable

from django.core.management.base import CommandParser, DjangoHelpFormatter


class _AsWritten(DjangoHelpFormatter, RawDescriptionHelpFormatter):
    """Keeps the line breaks of examples."""


def add_examples(parser: CommandParser, examples: Iterable[tuple[str, str]]) -> None:
    """Show examples below a command's help: what to type, and what it is for."""
    shown = list(examples)
    width = max(len(typed) for typed, _ in shown)
    parser.formatter_class = _AsWritten
    parser.epilog = "examples:\n" + "\n".join(f"  {typed:<{width}}  {purpose}" for typed, purpose in shown)
