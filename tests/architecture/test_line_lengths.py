"""Prose of the documents is wrapped; tables, code and headings are left as they are."""

from pathlib import Path

import pytest

from tests.architecture.line_lengths import ROOT, find_long_lines, list_pages, wrap

WORDS = "word " * 30


@pytest.mark.parametrize("page", list_pages(), ids=str)
def test_no_line_of_prose_is_too_long(page: Path) -> None:
    text = (ROOT / page).read_text()

    assert find_long_lines(text) == [], "run python -m tests.architecture.line_lengths"


class TestFindLongLines:
    @pytest.mark.parametrize("text", [WORDS, f"- {WORDS}", f"1. {WORDS}", f"> {WORDS}", f"short\n{WORDS}"])
    def test_prose_that_is_too_long_is_found(self, text: str) -> None:
        assert find_long_lines(text) == [len(text.splitlines())]

    @pytest.mark.parametrize(
        "text",
        [f"| {WORDS} |", f"# {WORDS}", f"```\n{WORDS}\n```", f"<!-- {WORDS} -->", "x" * 200, "word " * 23],
    )
    def test_what_is_not_wrapped_is_not_found(self, text: str) -> None:
        assert find_long_lines(text) == []


class TestWrap:
    def test_a_paragraph_keeps_its_words(self) -> None:
        wrapped = wrap(f"# Title\n\n{WORDS}\nand more\n\nshort\n")

        assert " ".join(wrapped.split()) == f"# Title {WORDS}and more short"
        assert max(map(len, wrapped.splitlines())) <= 118
        assert wrapped.endswith("\n\nshort\n")

    def test_an_item_of_a_list_is_indented(self) -> None:
        first, second = wrap(f"- {WORDS}\n- short\n").splitlines()[:2]

        assert first.startswith("- word")
        assert second.startswith("  word")

    def test_code_inside_a_line_is_not_parted(self) -> None:
        wrapped = wrap("word " * 22 + "`one two three four` " + WORDS)

        assert "`one two three four`" in wrapped

    @pytest.mark.parametrize("token", ["-", "1.", "#", "+"])
    def test_no_line_begins_with_what_would_begin_something_else(self, token: str) -> None:
        for count in range(18, 28):
            wrapped = wrap("word " * count + f"{token} " + WORDS)

            assert not any(line.startswith(f"{token} ") for line in wrapped.splitlines())

    def test_what_is_short_enough_stays_as_it_is(self) -> None:
        text = "One.\nTwo.\n\n```\n" + WORDS + "\n```\n"

        assert wrap(text) == text
