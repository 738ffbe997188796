"""Secrets that a file holds, as containers and systemd hand them over: SECRET_KEY_FILE=/run/secrets/secret_key."""

from pathlib import Path
from typing import Any

from config.settings.environment.fields import is_secret
from config.settings.environment.values import quoted


def read_secret_files(given: dict[str, str], fields: dict[str, Any]) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Return the given variables with the secrets that files hold, and what is wrong with those files."""
    found, problems = {}, []
    for name, field in fields.items():
        path = given.get(f"{name}_FILE")
        if not path or not is_secret(field):
            continue
        if name in given:
            problems.append((name, f"is set twice, by {name} and by {name}_FILE"))
            continue
        try:
            text = Path(path).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            problems.append((name, f"cannot be read from {quoted(path)}, which {name}_FILE names ({reason})"))
            continue
        if text:
            found[name] = text
    return {**given, **found}, problems
