"""The faults that can be planted in the text of a SQL statement: each is one span of the text and what replaces it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

#: What makes a string a statement, or a part of one.
_IS_SQL: Final = re.compile(
    r"\b(SELECT|UPDATE|INSERT INTO|WHERE|EXISTS|JOIN|CASE WHEN|coalesce\()|(?:^|\s)[a-z]\.\w+ (=|<>|<|>)"
)
_COMMENTS_AND_TEXTS: Final = re.compile(r"--[^\n]*|'[^']*'")
_FAULTS: Final = (
    ("sign", re.compile(r"(?<=[\w)] )\+(?= [\w(])"), "-"),
    ("sign", re.compile(r"(?<=[\w)] )-(?= [\w(])"), "+"),
    ("sign", re.compile(r"(?<=[(,] )-(?=\w)|(?<=[(,])-(?=\w)|(?<=THEN )-(?=\w)|(?<=SELECT )-(?=\w)"), ""),
    ("bound", re.compile(r"(?<= )<(?= )"), "<="),
    ("bound", re.compile(r"(?<= )<=(?= )"), "<"),
    ("bound", re.compile(r"(?<= )>(?= )"), ">="),
    ("bound", re.compile(r"(?<= )>=(?= )"), ">"),
    ("condition", re.compile(r"(?<= )<>(?= )"), "="),
    ("condition", re.compile(r"\bIS NOT NULL\b"), "IS NULL"),
    ("condition", re.compile(r"\bIS NULL\b"), "IS NOT NULL"),
    ("condition", re.compile(r"\bNOT EXISTS\b"), "EXISTS"),
    ("condition", re.compile(r"\bNOT IN\b"), "IN"),
    ("condition", re.compile(r"(?<!BETWEEN )(?<= )AND(?= )"), "OR"),
    ("condition", re.compile(r"(?<= )OR(?= )"), "AND"),
    ("rank", re.compile(r"\bmin\("), "max("),
    ("rank", re.compile(r"\bmax\("), "min("),
    ("rank", re.compile(r"\bgreatest\("), "least("),
    ("rank", re.compile(r"\bleast\("), "greatest("),
    ("missing lock", re.compile(r"\bFOR (NO KEY )?UPDATE\b( OF \w+)?( SKIP LOCKED)?"), ""),
    ("missing lock", re.compile(r"\bpg_advisory_xact_lock\("), "abs("),
)  # fmt: skip


@dataclass(frozen=True)
class SqlFault:
    """One fault in a text: the operator's name, what it does in words, and the whole changed text."""

    operator: str
    words: str
    text: str


def sql_faults_in(text: str) -> Iterator[SqlFault]:
    """Yield the faults that can be planted in a string, if it is SQL; comments and quoted texts are left alone."""
    if not _IS_SQL.search(text):
        return
    hidden = _COMMENTS_AND_TEXTS.sub(lambda match: "\0" * len(match.group()), text)
    for operator, pattern, replacement in _FAULTS:
        for match in pattern.finditer(hidden):
            changed = text[: match.start()] + replacement + text[match.end() :]
            start, end = max(0, match.start() - 30), match.end() + 30
            around = " ".join(text[start:end].split())
            yield SqlFault(operator, f"SQL: {match.group()} -> {replacement or 'left out'} in “{around}”", changed)
