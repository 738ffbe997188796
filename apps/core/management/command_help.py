"""
The help of our commands, printed before Django is set up.

Django imports every app first: seconds on a busy machine, and nothing at all where the environment is not configured yet.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path

from django.core.management.base import BaseCommand

from apps.core.management.operator_commands import program_name

_ROOT = Path(__file__).resolve().parent.parent.parent.parent
_HELP = frozenset({"-h", "--help"})
#: Commands that extend one of Django's whose options depend on the settings.
_NEEDS_SETTINGS = frozenset({"migrate"})


def print_help(arguments: Sequence[str]) -> bool:
    """
    Print the help that a command line asks for and return True, or return False if it asks for none or for that of Django's.

    `arguments` are those after the program's name.
    """
    if not arguments or (len(arguments) == 1 and arguments[0] in {*_HELP, "help"}):
        _print_list()
        return True
    name = arguments[1] if arguments[0] == "help" else arguments[0]
    is_asked = arguments[0] == "help" or not _HELP.isdisjoint(_before_dashes(arguments[1:]))
    modules = find_commands()
    if not is_asked or name not in modules or name in _NEEDS_SETTINGS:
        return False
    _load(modules[name]).print_help("manage.py", name)  # which its parser replaces by what was started
    return True


def find_commands() -> dict[str, str]:
    """Return the modules of our own commands by the name of the command."""
    files = sorted(_ROOT.glob("apps/*/management/commands/*.py")) + sorted(
        _ROOT.glob("devtools/management/commands/*.py")
    )
    return {
        path.stem: ".".join(path.relative_to(_ROOT).with_suffix("").parts)
        for path in files
        if not path.stem.startswith("_")
    }


def _before_dashes(arguments: Sequence[str]) -> Sequence[str]:
    return arguments[: arguments.index("--")] if "--" in arguments else arguments


def _load(module: str) -> BaseCommand:
    command: BaseCommand = importlib.import_module(module).Command()
    return command


def _print_list() -> None:
    program = program_name()
    print(f"Bahi's commands; `{program} COMMAND --help` describes each, with examples:\n")  # noqa: T201
    modules = find_commands()
    width = max(len(name) for name in modules)
    for name in sorted(modules):
        sentence = _load(modules[name]).help.split(". ")[0].rstrip(".")
        print(f"  {name:<{width}}  {sentence}.")  # noqa: T201
    print(f"\nDjango's own commands work too: `{program} help --commands` lists all.")  # noqa: T201
