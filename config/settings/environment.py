"""Readings of the environment that refuse what makes no sense, in a sentence that names the variable."""

import environ
from django.core.exceptions import ImproperlyConfigured

env = environ.Env()


def required(name: str, *, least: int = 1) -> str:
    """Return a variable that Bahi cannot start without."""
    value: str = env.str(name, default="")
    if len(value) < least:
        raise ImproperlyConfigured(
            f"{name} is not set." if not value else f"{name} is too short: at least {least} characters are needed."
        )
    return value


def at_least(name: str, least: int, *, default: int) -> int:
    """Return a number that makes no sense below a bound."""
    value: int = env.int(name, default=default)
    if value < least:
        raise ImproperlyConfigured(f"{name} is {value}: it must be at least {least}, for example {name}={default}.")
    return value


def previous(name: str, *, least: int) -> list[str]:
    """Return what a secret was before: it is accepted for as long as something that was made with it may be in use."""
    values = [value for value in env.list(name, default=[]) if value]
    if any(len(value) < least for value in values):
        raise ImproperlyConfigured(f"{name} holds a secret that is too short: at least {least} characters are needed.")
    return values
