"""Variables whose names are nearly ours: what somebody meant to set, and has not."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from config.settings.environment.fields import is_secret

#: How alike two names must be, from 0 to 1: one or two letters may differ.
_ALIKE = 0.9

_MAX_LENGTH_DIFFERENCE = 2


def find_misspelt_names(variables: Mapping[str, str], fields: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence about each variable that is not ours and all but has the name of one that is not set."""
    files = {f"{name}_FILE" for name, field in fields.items() if is_secret(field)}
    ours = {*fields, *files, "DJANGO_SETTINGS_MODULE"}
    unset = sorted(name for name in ours if not variables.get(name))
    for name in sorted(set(variables) - ours):
        near = [each for each in unset if abs(len(each) - len(name)) <= _MAX_LENGTH_DIFFERENCE]
        for meant in get_close_matches(name, near, n=1, cutoff=_ALIKE):
            yield f"{name} is not a variable of Bahi and has no effect. Did you mean {meant}?"
