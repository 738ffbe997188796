"""Confirmations of the back office: what staff must confirm on a page of its own before a form is saved."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

#: Carries the key of the confirmation that was confirmed; the rest of the form comes along unchanged.
CONFIRMED = "_confirmed"
_OF_THE_PAGE = {CONFIRMED, "csrfmiddlewaretoken"}


@dataclass(frozen=True)
class Confirmation:
    """
    A question that staff answer before a form is saved, because its values may be a typing error.

    `key` names exactly what is asked, so that a confirmation counts for nothing else; `facts` are pairs of a heading and a text.
    """

    key: str
    title: str
    facts: Sequence[tuple[str, Any]]
    confirm: str


class ConfirmationRequired(Exception):
    """The form is valid, and its confirmation has not been confirmed yet."""

    def __init__(self, confirmation: Confirmation) -> None:
        super().__init__(confirmation.title)
        self.confirmation = confirmation


def require_confirmation(request: HttpRequest, confirmation: Confirmation | None) -> None:
    """
    Allow a form to be saved if it needs no confirmation, or if this one was confirmed.

    :raises ConfirmationRequired: if not
    """
    if confirmation is not None and request.POST.get(CONFIRMED) != confirmation.key:
        raise ConfirmationRequired(confirmation)


def typed_values(request: HttpRequest) -> list[tuple[str, str]]:
    """Return what the form held, for the page of the confirmation to send again."""
    return [(name, value) for name, values in request.POST.lists() for value in values if name not in _OF_THE_PAGE]
