"""Questions of the back office: what staff must confirm on a page of its own before a form is saved."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

#: Carries the key of the question that was confirmed; the rest of the form comes along unchanged.
CONFIRMED = "_confirmed"
_OF_THE_PAGE = {CONFIRMED, "csrfmiddlewaretoken"}


@dataclass(frozen=True)
class Question:
    """
    Something that may be a slip of the fingers.

    `key` names exactly what is asked, so that a confirmation counts for nothing else; `facts` are pairs of a heading and a text.
    """

    key: str
    title: str
    facts: Sequence[tuple[str, Any]]
    confirm: str


class Unconfirmed(Exception):
    """The form is valid, and its question has not been confirmed yet."""

    def __init__(self, question: Question) -> None:
        super().__init__(question.title)
        self.question = question


def require_confirmation(request: HttpRequest, question: Question | None) -> None:
    """
    Let a form go on if there is nothing to ask, or if what is asked was confirmed.

    :raises Unconfirmed: if not
    """
    if question is not None and request.POST.get(CONFIRMED) != question.key:
        raise Unconfirmed(question)


def typed_values(request: HttpRequest) -> list[tuple[str, str]]:
    """Return what the form held, for the page of the question to send again."""
    return [(name, value) for name, values in request.POST.lists() for value in values if name not in _OF_THE_PAGE]
