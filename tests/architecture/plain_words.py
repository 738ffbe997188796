"""Texts for readers: docstrings, comments and sentences of the code, templates and docs, with the words that Bahi does not use."""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

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
    r"himself|he pays|he is|he may": "they",
    r"takes? in|took in|taken in": "reads, receives, applies",
    r"janitor": "poller",
    r"fate": "result, status",
    r"of ours": "in Bahi, made by Bahi; a bug in Bahi",
    r"promised": "reserved",
    r"gone back": "refunded",
    r"wants? money": "needs action",
    r"stands on": "is on",
    r"cannot be taken back": "cannot be undone",
    r"stands twice": "is given twice",
    r"asked again automatically": "checked again automatically",
    r"where (it was|you) paid from": "to the original payment method",
    r"nothing is to be done": "no action is needed",
    r"lies in the house|lies here": "is on hand",
    r"good for \w+ minutes": "valid for",
    r"called off": "cancelled",
    r"sent by a machine": "automated",
    r"is no (JSON|number|date|day|instant)": "is not a",
}
_PATTERN = re.compile(r"\b(" + "|".join(PHRASES) + r")\b", re.IGNORECASE)
_CODE = ("apps", "bench", "config", "devtools", "sandbox", "bin")
#: Modules of which every string is read by people: messages, pages of the back office, descriptions of the API.
_READ_BY_PEOPLE = ("messages", "admin", "openapi", "serializers")
#: Names whose strings are read by people in any module.
_SENTENCES = ("message", "statement", "help", "help_text", "description", "title", "label")


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
    yield from _sentences_of(path, ast.parse(text))
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def _sentences_of(path: Path, tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the strings of a module that people read."""
    is_read = any(part.removesuffix(".py") in _READ_BY_PEOPLE for part in path.relative_to(ROOT).parts)
    docstrings = {
        id(node.body[0].value) for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and node.body and isinstance(node.body[0], ast.Expr)
    }  # fmt: skip
    found: dict[int, ast.Constant] = {}
    for node in ast.walk(tree):
        if is_read and _is_sentence(node):
            found[id(node)] = node
        elif (
            isinstance(node, ast.Assign)
            and any(isinstance(to, ast.Name) and to.id in _SENTENCES for to in node.targets)
        ) or (isinstance(node, ast.keyword) and node.arg in _SENTENCES):
            found |= {id(each): each for each in ast.walk(node.value) if _is_sentence(each)}
    for key, each in found.items():
        if key not in docstrings:
            yield each.lineno, str(each.value)


def _is_sentence(node: ast.AST) -> TypeGuard[ast.Constant]:
    """Test if a node is a string of several words; names, keys and SQL of one word are not read by people."""
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value.strip()


if __name__ == "__main__":
    sys.stdout.write("\n".join(find_phrases()) + "\n")
