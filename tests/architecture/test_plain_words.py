"""Docstrings, comments, templates and docs keep to the words of the trade and to plain English."""

import ast
import re

import pytest

from tests.architecture import plain_words

#: Where a phrase is right: the file, the phrase, and why.
ALLOWED: dict[tuple[str, str], str] = {}


def test_no_text_has_a_phrase_that_is_not_used() -> None:
    found = [
        line for line in plain_words.find_phrases()
        if (line.split(":")[0], re.findall(r": '([^']*)' in ", line)[0].lower()) not in ALLOWED
    ]  # fmt: skip

    assert found == []


def test_every_exception_is_needed() -> None:
    lines = list(plain_words.find_phrases())

    for path, phrase in ALLOWED:
        assert any(line.startswith(f"{path}:") and f"'{phrase}'" in line.lower() for line in lines), (path, phrase)


@pytest.mark.parametrize("text", ["who hears which news", "It was told anew.", "the money is given back by hand"])
def test_a_phrase_is_found_wherever_it_stands(text: str) -> None:
    assert plain_words._PATTERN.search(text)


@pytest.mark.parametrize(
    ("path", "code", "expected"),
    [
        (
            "apps/x/messages.py",
            'def lost() -> str:\n    """Return."""\n    return "It is a fault of ours."',
            ["It is a fault of ours."],
        ),
        ("apps/x/services.py", 'class Late(Conflict):\n    message = "He pays by hand."', ["He pays by hand."]),
        ("apps/x/forms.py", 'Field(help_text="The news of it.")', ["The news of it."]),
        ("apps/x/services.py", 'log.info("told by hand")', []),
    ],
)
def test_sentences_that_people_read_are_checked(path: str, code: str, expected: list[str]) -> None:
    sentences = plain_words._sentences_of(plain_words.ROOT / path, ast.parse(code))

    assert [text for _, text in sentences] == expected
