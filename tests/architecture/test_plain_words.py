"""Docstrings, comments, templates and docs keep to the words of the trade and to plain English."""

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
