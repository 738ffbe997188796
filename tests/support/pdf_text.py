"""
The text of a PDF as a reader copies it from Chrome or Acrobat.

A shaped letter is several glyphs, or one glyph is several letters: the file then says what stands there by /ActualText, which
pypdf's own extract_text does not read. So the marked content is read here, and the rest by each font's /ToUnicode.
"""

import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any

from pypdf import PdfReader
from pypdf.generic import ByteStringObject, ContentStream, TextStringObject


def pages_of(content: bytes) -> list[str]:
    """Return the text of each page in reading order, with one space where there is white space or another piece begins."""
    reader = PdfReader(BytesIO(content))
    return [re.sub(r"\s+", " ", "".join(_pieces(page, reader))).strip() for page in reader.pages]


def attachments_of(content: bytes) -> dict[str, bytes]:
    """Return the files in a PDF by name."""
    return {name: files[0] for name, files in PdfReader(BytesIO(content)).attachments.items()}


def _pieces(page: Any, reader: PdfReader) -> Iterator[str]:
    letters = {name: _letters_of(font.get_object()) for name, font in page["/Resources"]["/Font"].items()}
    font: dict[int, str] = {}
    nested: list[bool] = []
    for operands, operator in ContentStream(page["/Contents"].get_object(), reader).operations:
        if operator in (b"BDC", b"BMC"):
            properties = operands[1] if len(operands) > 1 and isinstance(operands[1], dict) else {}
            actual = properties.get("/ActualText")
            nested.append(actual is not None or any(nested))
            yield " " if actual is None else str(actual)
        elif operator == b"EMC":
            nested.pop()
        elif operator == b"cm":
            yield "" if any(nested) else " "
        elif operator == b"Tf":
            font = letters[operands[0]]
        elif operator in (b"Tj", b"TJ") and not any(nested):
            shown = operands[0] if operator == b"TJ" else [operands[0]]
            yield "".join(
                _decode(part, font) for part in shown if isinstance(part, (ByteStringObject, TextStringObject))
            )


def _decode(shown: Any, font: dict[int, str]) -> str:
    raw = shown.original_bytes
    return "".join(font.get(int.from_bytes(raw[at : at + 2], "big"), "\ufffd") for at in range(0, len(raw), 2))


def _letters_of(font: Any) -> dict[int, str]:
    """Return a font's letters by glyph, as its /ToUnicode says."""
    table = font["/ToUnicode"].get_object().get_data().decode("latin-1")
    letters: dict[int, str] = {}
    for block in re.findall(r"beginbfchar(.*?)endbfchar", table, re.DOTALL):
        for glyph, text in re.findall(r"<([0-9A-Fa-f]+)>\s*<([0-9A-Fa-f]+)>", block):
            letters[int(glyph, 16)] = bytes.fromhex(text).decode("utf-16-be")
    for block in re.findall(r"beginbfrange(.*?)endbfrange", table, re.DOTALL):
        for first, last, text in re.findall(r"<([0-9A-Fa-f]+)>\s*<([0-9A-Fa-f]+)>\s*<([0-9A-Fa-f]+)>", block):
            start = int.from_bytes(bytes.fromhex(text), "big")
            for offset in range(int(last, 16) - int(first, 16) + 1):
                letters[int(first, 16) + offset] = chr(start + offset)
    return letters
