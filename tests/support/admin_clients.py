"""Browsers of staff in the back office, and how a test names the rows that it opens there."""

from typing import Any

from django.test import Client


def signed_in(user: Any) -> Client:
    """Return a browser in which somebody is signed in."""
    client = Client()
    client.force_login(user)
    return client


def label(entry: Any) -> str:
    """Return the name of a parameter that begins with a model, for the id of a test."""
    return str(entry[0]._meta.label) if isinstance(entry, tuple) else str(entry)
