"""Examples that the pages of the documentation show, so that tests run what readers copy."""

from pathlib import Path

_DOCS = Path(__file__).parents[2] / "docs"


def read_example(page: str, *, beginning: str) -> str:
    """Return the one block of a page under docs/ that begins with a text."""
    blocks = (_DOCS / page).read_text().split("\n```")[1::2]
    (found,) = [text for block in blocks if (text := block.partition("\n")[2]).startswith(beginning)]
    return found + "\n"
