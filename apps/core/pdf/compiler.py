"""
From a template and its data to the bytes of a PDF/A-3b with the data attached.

Typst is loaded and its compiler made at the first rendering, in the process that renders. It is not shared by threads (a
second thread would find it "already borrowed"), and its threads do not survive a fork: a child of a process that has
rendered would wait for them for ever, and gets an error instead.
"""

import json
import os
import re
import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import structlog

from apps.core.pdf.printable import REPLACEMENT, TextSanitizer

log = structlog.get_logger(__name__)

APPS = Path(__file__).resolve().parent.parent.parent
FONTS = APPS / "core" / "fonts"
STANDARD = "a-3b"


class ForkedAfterRendering(RuntimeError):
    """The process was forked from one that had rendered before; render only in processes that were forked first."""


class _Process:
    """What this process has of Typst: its compiler once there is one, and whether an ancestor rendered."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.compiler: Any = None
        self.has_rendered = False
        self.is_unusable = False

    def forget(self) -> None:
        """Start afresh in a child, where a lock may be held by a thread that does not exist there."""
        self.is_unusable = self.is_unusable or self.has_rendered
        self.lock, self.compiler, self.has_rendered = threading.Lock(), None, False


_process = _Process()
os.register_at_fork(after_in_child=_process.forget)


def render(template: str, data: Mapping[str, Any], *, logo: Path | None = None) -> bytes:
    """
    Return the PDF of a template (`invoicing/documents/invoice.typ`) and its data; the same data always give the same bytes.

    `data` is JSON with a `date` (ISO). Its texts are set as they are and never read as markup; what no font has is replaced.
    The file holds `data` as `document.json`. A picture or a text that Typst does not take costs the picture, then the
    standard, and never the document.

    :raises ForkedAfterRendering: if an ancestor of this process rendered before it was forked
    :raises RuntimeError: if the template itself is wrong
    """
    sanitizer = TextSanitizer()
    printable = sanitizer.clean(data)
    if sanitizer.replaced:
        log.warning(
            "document_characters_replaced", template=template, characters=sorted(sanitizer.replaced), by=REPLACEMENT
        )
    attached = json.dumps(data, ensure_ascii=False, sort_keys=True, indent=1).encode(errors="replace")

    attempts = [(logo, STANDARD), (None, STANDARD), (None, None)] if logo else [(None, STANDARD), (None, None)]
    for picture, standard in attempts[:-1]:
        try:
            return _compile(template, printable, attached, logo=picture, standard=standard)
        except (OSError, RuntimeError) as error:
            if isinstance(error, ForkedAfterRendering):
                raise
            log.error(
                "document_rendered_with_less", template=template, logo=str(picture or ""), error=_without_texts(error)
            )
    picture, standard = attempts[-1]
    return _compile(template, printable, attached, logo=picture, standard=standard)


def make_compiler() -> Any:
    """Return this process's compiler; it is made at the first call (5 ms) and has compiled nothing until the first rendering."""
    if _process.is_unusable:
        raise ForkedAfterRendering(ForkedAfterRendering.__doc__)
    if _process.compiler is None:
        import typst  # noqa: PLC0415 - only a process that renders needs it

        fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(FONTS)])
        _process.compiler = typst.Compiler(root=str(APPS), font_paths=fonts)
    return _process.compiler


def _compile(
    template: str, printable: dict[str, Any], attached: bytes, *, logo: Path | None, standard: str | None
) -> bytes:
    name = f"logo{logo.suffix.lower()}" if logo else None
    files = {
        "main.typ": _source(template),
        "data.json": json.dumps({**printable, "logo": name}, ensure_ascii=False).encode(),
        "document.json": attached,
        **({name: logo.read_bytes()} if logo and name else {}),
    }
    with _process.lock:
        compiler = make_compiler()
        _process.has_rendered = True
        content: bytes = compiler.compile(
            files, root=str(APPS), format="pdf", pdf_standards=[standard] if standard else [], timestamp=0
        )
        return content


def _without_texts(error: Exception) -> str:
    """Return what Typst says without what it quotes, which may be somebody's name."""
    return re.sub(r"`.*`", "`…`", str(error), flags=re.DOTALL)[:500]


@cache
def _source(template: str) -> bytes:
    return (APPS / template).read_bytes()
