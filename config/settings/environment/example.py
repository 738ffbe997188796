"""
`.env.example`, written from the declared variables.

    python -m config.settings.environment.example > .env.example
"""

import sys
import textwrap
from typing import Any

from config.settings.environment import Environment
from config.settings.environment.fields import SECRET_EXAMPLE, example_of
from config.settings.environment.sections import ROOT

_HEAD = """\
# What Bahi reads from its environment. Written by `make env-example` from config/settings/environment/sections.py.
#
# A variable without value counts as not set. Those without "#" must be set; the others show an example, and their default
# if there is one. Each secret may come from a file instead: NAME_FILE=/run/secrets/name. docs/deployment.md says more.
"""


def write_example() -> str:
    """Return the text of `.env.example`."""
    sections = [base for base in Environment.__mro__ if base.__module__.endswith(".sections")]
    return "\n".join([_HEAD, *(_section(section) for section in reversed(sections))])


def _section(section: Any) -> str:
    title = f"# --- {section.__doc__.strip().removesuffix('.')} ".ljust(80, "-")
    return "\n".join([title, "", *(_variable(name, field) for name, field in section.model_fields.items())])


def _variable(name: str, field: Any) -> str:
    """Return a variable with its meaning; a secret has no value here, because somebody would use it."""
    extra, example = field.json_schema_extra, example_of(field)
    default = extra["default"]
    default = default.replace(f"{ROOT}/", "") if isinstance(default, str) else default
    about = field.description[:1].upper() + field.description[1:] + "."
    if field.is_required():
        about += " Required."
    elif extra["needed"]:
        about += f" Required in {extra['needed'].replace(', ', ' and ')}; else {default}."
    elif default not in (None, "", [], {}) and str(default) != example:
        about += f" Default: {default}."
    if example.startswith("the "):
        about += f" Make it with: {example.removeprefix('the output of ')}." if example == SECRET_EXAMPLE else ""
        example = ""
    hidden = "" if field.is_required() else "#"
    comment = textwrap.wrap(about, 118, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
    return "\n".join([*comment, f"{hidden}{name}={example}", ""])


if __name__ == "__main__":
    sys.stdout.write(write_example())
