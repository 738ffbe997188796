"""
Text that our fonts can show, whatever people wrote: letters of the ten scripts stay as they are.

PDF/A refuses a letter without a glyph, so what no font has is replaced beforehand. Left out is what is meant to be unseen
or to deceive: control characters, marks that turn the direction of writing, towers of accents.
"""

import re
import struct
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

#: Shown for what no font has, such as emoji and other scripts; once for several of them in a row.
REPLACEMENT = "■"

FONTS = Path(__file__).resolve().parent.parent / "fonts"

_LONGEST_WORD = 24
_PIECE = 8
#: Real words have at most three signs on a letter, and Latin letters two accents.
_MOST_MARKS, _MOST_ACCENTS = 6, 2
_ACCENTS = ((0x0300, 0x036F), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF), (0xFE20, 0xFE2F))
_VARIANTS = ((0xFE00, 0xFE0F), (0xE0100, 0xE01EF))
_JOINERS = "\u200c\u200d"
_BREAK = "\u200b"
_PLAIN = re.compile(rf"(?:[!-~]{{1,{_LONGEST_WORD}}}(?: (?! )|\Z))*")
_REPLACED = re.compile(rf"{REPLACEMENT}+")
_LONG_WORD = re.compile(rf"\S{{{_LONGEST_WORD + 1},}}")

#: The combining class of signs that join the letter before them with the next.
_VIRAMA = 9
#: From Devanagari to Malayalam.
_INDIAN_LETTERS = range(0x0900, 0x0D80)
#: The private use area of Unicode.
_PRIVATE_LETTERS = range(0xE000, 0xF900)
#: The format of a `cmap` table that lists segments of code points.
_SEGMENTS = 4


class TextSanitizer:
    """Cleans the texts of one document and remembers what it had to replace, as `U+1F600`."""

    def __init__(self) -> None:
        self.replaced: set[str] = set()

    def clean(self, value: Any) -> Any:
        """Return JSON with every text in it as it can be shown; keys, numbers and truth values stay."""
        if isinstance(value, str):
            return value if _PLAIN.fullmatch(value) else self._clean_text(value)
        if isinstance(value, Mapping):
            return {key: self.clean(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.clean(item) for item in value]
        return value

    def _clean_text(self, text: str) -> str:
        lines = ("".join(self._show(cluster) for cluster in _clusters(_visible(line))) for line in text.splitlines())
        joined = "\n".join(" ".join(line.split()) for line in lines).strip("\n")
        return _LONG_WORD.sub(lambda word: _breakable(word.group()), _REPLACED.sub(REPLACEMENT, joined))

    def _show(self, cluster: str) -> str:
        """Return a letter with its marks as one font can show it, or the letter alone, or what stands for it."""
        for form in (cluster, *(unicodedata.normalize(name, cluster) for name in ("NFC", "NFD", "NFKC"))):
            if any(font.issuperset(map(ord, form)) for font in _fonts()):
                return form
        base = cluster[0] if _is_covered(cluster[0]) else REPLACEMENT
        self.replaced.update(f"U+{ord(character):04X}" for character in cluster.removeprefix(base))
        return base


def _visible(text: str) -> str:
    """Return a line without what is not to be seen; joiners stay where they belong to an Indian letter."""
    kept: list[str] = []
    for character in text:
        category = unicodedata.category(character)
        if character in _JOINERS:
            if kept and _is_indian(kept[-1]):
                kept.append(character)
        elif category in ("Cc", "Zs", "Zl", "Zp"):
            kept.append(" ")
        elif category != "Cf" and not any(first <= ord(character) <= last for first, last in _VARIANTS):
            kept.append(character)
    return "".join(kept)


def _clusters(text: str) -> Iterator[str]:
    """Split a line into letters, each with its marks; of a tower of marks only the lowest stay."""
    cluster, marks, accents = "", 0, 0
    for character in text:
        if cluster and (character in _JOINERS or unicodedata.category(character).startswith("M")):
            is_accent = any(first <= ord(character) <= last for first, last in _ACCENTS)
            marks, accents = marks + 1, accents + is_accent
            if marks <= _MOST_MARKS and not (is_accent and accents > _MOST_ACCENTS):
                cluster += character
            continue
        if cluster:
            yield cluster
        cluster, marks, accents = character, 0, 0
    if cluster:
        yield cluster


def _breakable(word: str) -> str:
    """Return a long word with places where a line may break, none of them within a letter and its marks."""
    pieces, size = [""], 0
    for cluster in _clusters(word):
        joins_the_last = unicodedata.combining(pieces[-1][-1:] or " ") == _VIRAMA or pieces[-1][-1:] in tuple(_JOINERS)
        if size >= _PIECE and not joins_the_last:
            pieces.append("")
            size = 0
        pieces[-1] += cluster
        size += 1
    return _BREAK.join(pieces)


def _is_indian(character: str) -> bool:
    return ord(character) in _INDIAN_LETTERS or character in _JOINERS


def _is_covered(character: str) -> bool:
    return any(ord(character) in font for font in _fonts())


@cache
def _fonts() -> tuple[frozenset[int], ...]:
    """Return what each font has; the faces of one family have the same, which a test sees to."""
    return tuple(read_coverage(path) for path in sorted(FONTS.glob("*-Regular.ttf")))


def read_coverage(path: Path) -> frozenset[int]:
    """Return the code points that a TrueType font has, joiners always among them: no font need draw them."""
    content = path.read_bytes()
    tables = {
        content[at : at + 4]: struct.unpack(">I", content[at + 8 : at + 12])[0]
        for at in range(12, 12 + 16 * struct.unpack(">H", content[4:6])[0], 16)
    }
    start = tables[b"cmap"]
    count = struct.unpack(">H", content[start + 2 : start + 4])[0]
    found: set[int] = set(map(ord, _JOINERS))
    for at in range(start + 4, start + 4 + 8 * count, 8):
        subtable = start + struct.unpack(">I", content[at + 4 : at + 8])[0]
        if struct.unpack(">H", content[subtable : subtable + 2])[0] == _SEGMENTS:
            found |= _segments(content, subtable)
    # A glyph for a private letter of the font's own means nothing to a reader.
    return frozenset(point for point in found if point not in _PRIVATE_LETTERS)


def _segments(content: bytes, at: int) -> set[int]:
    """Read a cmap of format 4: segments of code points, each by an offset or by a list of glyphs."""
    segments = struct.unpack(">H", content[at + 6 : at + 8])[0] // 2

    def column(number: int) -> tuple[int, ...]:
        first = at + 14 + 2 * segments * number + (2 if number else 0)
        return struct.unpack(f">{segments}H", content[first : first + 2 * segments])

    points: set[int] = set()
    offsets_at = at + 16 + 6 * segments
    for index, (end, start, delta, offset) in enumerate(zip(column(0), column(1), column(2), column(3), strict=True)):
        for point in range(start, min(end, 0xFFFE) + 1):
            glyph = point
            if offset:
                place = offsets_at + 2 * index + offset + 2 * (point - start)
                glyph = struct.unpack(">H", content[place : place + 2])[0]
                if not glyph:
                    continue
            if (glyph + delta) & 0xFFFF:
                points.add(point)
    return points
