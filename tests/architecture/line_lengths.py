"""
Lines of the documents: prose is wrapped under 120 characters, so that a change shows the sentence that it is about.

`python -m tests.architecture.line_lengths` wraps the paragraphs that have a longer line. Tables, code and headings stay.
"""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
LIMIT = 120
_WIDTH = 118
_START = re.compile(r"(?P<indent> *)(?P<mark>(?:[-*+]|\d+[.)])\s+|> ?)?")
_WHOLE = re.compile(r"\s*(\||#{1,6} |<|\[[^\]]+\]: )")
#: Stands for a blank at which a line is not broken: inside of code, and before what would begin a list or a heading.
_JOIN = "\x00"


def list_pages() -> list[Path]:
    """Return the documents that people write; reports are written by the tools that they are about."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob(".github/**/*.md"), *ROOT.glob("sandbox/*.md")]
    return sorted(path.relative_to(ROOT) for path in found if "reports" not in path.parts)


def find_long_lines(text: str) -> list[int]:
    """Return the numbers of lines of prose that are too long and can be broken."""
    return [
        first + offset
        for first, block in _prose(text.splitlines())
        if _is_long(block) and _wrap_block(block) != block
        for offset, line in enumerate(block, 1)
        if len(line) >= LIMIT
    ]


def wrap(text: str) -> str:
    """Return a document whose paragraphs with too long a line are wrapped."""
    lines = text.splitlines()
    for first, block in reversed(list(_prose(lines))):
        if _is_long(block):
            lines[first : first + len(block)] = _wrap_block(block)
    return "\n".join(lines) + "\n"


def _is_long(block: list[str]) -> bool:
    return any(len(line) >= LIMIT for line in block)


def _prose(lines: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield each paragraph or item of a list with the index of its first line."""
    block: list[str] = []
    is_code = False
    for index, line in enumerate([*lines, ""]):
        is_fence = line.lstrip().startswith("```")
        is_whole = is_code or is_fence or not line.strip() or _WHOLE.match(line) is not None
        starts = bool(_START.match(line)["mark"])  # type: ignore[index]
        if block and (is_whole or starts):
            yield index - len(block), block
            block = []
        if not is_whole:
            block.append(line)
        if is_fence:
            is_code = not is_code


def _wrap_block(block: list[str]) -> list[str]:
    start = _START.match(block[0])
    assert start is not None
    mark = start["mark"] or ""
    text = " ".join(line.strip() for line in [block[0][start.end() :], *block[1:]])
    text = re.sub(r"`[^`]+`", lambda code: code[0].replace(" ", _JOIN), text)
    text = re.sub(r" (?=([-+*>|#]+|\d+[.)])( |$))", _JOIN, text)
    further = start["indent"] + (mark if mark.startswith(">") else " " * len(mark))
    wrapped = textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=start["indent"] + mark,
        subsequent_indent=further,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(_JOIN, " ") for line in wrapped]


if __name__ == "__main__":
    for path in list_pages():
        page = ROOT / path
        if (wrapped := wrap(page.read_text())) != page.read_text():
            page.write_text(wrapped)
