"""Texts for readers: docstrings and comments of the code, templates and docs, with the words that Bahi does not use in them."""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

#: Each as a whole phrase, and what is written in its place.
PHRASES = {
    r"news": "event",
    r"tells?|told": "records, notifies, reports, says",
    r"hears?|heard": "receives",
    r"(gives?|gave|given|giving) (it |them |money |the money )?back": "refunds, returns",
    r"money back": "refund",
    r"asks? for money": "requests a payment, requests a refund",
    r"tries": "attempts",
    r"(is|are|was|were) at work": "is running",
    r"died|dies": "crashed",
    r"looks? after": "owns",
    r"so many|so long|so much": "that many, a count, until then",
    r"whoever": "any caller, who",
    r"anew|as ever": "again, as usual",
    r"beside": "next to",
    r"mend(s|ed|ing)?": "fix",
    r"deeds?": "action",
    r"by hand": "manually",
    r"(person|people|somebody) of ours": "staff",
    r"himself|he pays|he is|he may": "they",
    r"takes? in|took in|taken in": "reads, receives, applies",
    r"janitor": "poller",
    r"fate": "result, status",
}
_PATTERN = re.compile(r"\b(" + "|".join(PHRASES) + r")\b", re.IGNORECASE)
_CODE = ("apps", "config", "devtools", "sandbox", "bin")


def find_phrases() -> Iterator[str]:
    """Yield `path:line: phrase in its sentence` for each phrase that is not to be used."""
    for path in sorted(_files()):
        name = str(path.relative_to(ROOT))
        for line, text in _texts_of(path):
            for found in _PATTERN.finditer(text):
                around = text[max(0, found.start() - 30) : found.end() + 30].replace("\n", " ")
                yield f"{name}:{line}: {found[0]!r} in {around!r}"


def _files() -> Iterator[Path]:
    for top in _CODE:
        yield from (path for path in (ROOT / top).rglob("*.py") if "migrations" not in path.parts)
    # Texts of SMS are registered with the operators word for word.
    yield from (path for path in (ROOT / "templates").rglob("*.*") if "sms" not in path.parts)
    yield from (ROOT / "docs").glob("*.md")
    yield from (ROOT / "docs" / "decisions").glob("*.md")
    yield from ROOT.glob("*.md")
    yield from ROOT.glob("sandbox/*.md")


def _texts_of(path: Path) -> Iterator[tuple[int, str]]:
    text = path.read_text()
    if path.suffix != ".py":
        yield from enumerate(text.splitlines(), 1)
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (
            docstring := ast.get_docstring(node, clean=False)
        ):
            yield node.body[0].lineno, docstring
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


if __name__ == "__main__":
    sys.stdout.write("\n".join(find_phrases()) + "\n")
