"""The texts of messages, with ##NAME## where a variable goes."""

from __future__ import annotations

import re
from collections.abc import Mapping


def fill_template(template: str, variables: Mapping[str, str]) -> str:
    """Put variables into a text; a placeholder without a variable stays, as it would on the phone."""
    return re.sub(r"##(\w+)##", lambda match: variables.get(match[1], match[0]), template)
