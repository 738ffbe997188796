"""Paths of routes that have nothing variable in them, for code that every request passes: finding one again takes as long as a query."""

from functools import cache

from django.urls import reverse


@cache
def path_of(route: str) -> str:
    """Return the path of a named route without parameters, such as `admin:index`."""
    return reverse(route)
