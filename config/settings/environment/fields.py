"""How a variable is declared: its default, what it means, an example, and whether it is a secret."""

from typing import Any

from pydantic import Field

#: Stands for the value of a secret wherever an example is needed.
SECRET_EXAMPLE = 'the output of "openssl rand -hex 32"'  # noqa: S105


def variable(about: str, default: Any = ..., *, example: str = "", secret: bool = False, needed: str = "") -> Any:
    """
    Return the declaration of a variable.

    :param about: one sentence for `.env.example`
    :param default: what holds if it is not set, as it would be written there; without one Bahi does not start
    :param example: what a value looks like; the default if that says it
    :param secret: no sentence shows its value, and NAME_FILE may name a file that holds it
    :param needed: when it must be set although it has a default, such as "staging, production"
    """
    extra = {"secret": secret, "needed": needed, "default": default}
    settings: dict[str, Any] = {"description": about, "examples": [example], "json_schema_extra": extra}
    return Field(repr=not secret, validate_default=True, **({} if default is ... else {"default": default}), **settings)


def is_secret(field: Any) -> bool:
    """Return whether no sentence may show the value of a declared variable."""
    return bool(field.json_schema_extra["secret"])


def is_needed(field: Any, *, environment: str) -> bool:
    """Return whether a declared variable must be set in an environment although it has a default."""
    return environment in field.json_schema_extra["needed"].split(", ")


def example_of(field: Any) -> str:
    """Return the example of a declared variable."""
    extra = field.json_schema_extra
    return str(field.examples[0] or (SECRET_EXAMPLE if extra["secret"] else extra["default"]))
