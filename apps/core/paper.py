"""The stationery of all documents: page, colours, typeface, and the pieces that they are laid out of."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any
from xml.sax.saxutils import escape

import segno
from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_LEFT, TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    NextPageTemplate,
    PageTemplate,
    Paragraph,
    Table,
    TableStyle,
)

WIDTH, HEIGHT = A4
MARGIN = 13 * mm
CONTENT = WIDTH - 2 * MARGIN

INK = HexColor("#1b2230")
SOFT = HexColor("#667085")
ACCENT = HexColor("#1d3f63")
HAIRLINE = HexColor("#d3d9e2")
TINT = HexColor("#f2f5f9")
WHITE = HexColor("#ffffff")

REGULAR, SEMIBOLD, BOLD = "BahiRegular", "BahiSemibold", "BahiBold"
_FACES = {REGULAR: "Regular", SEMIBOLD: "Semibold", BOLD: "Bold"}
_PADDING = 3.6
_LEAST_FIRST_COLUMN = 38 * mm


@cache
def load_fonts() -> None:
    """Register Source Sans Pro, which has the rupee sign and figures of one width; once in a process."""
    folder = files("font_source_sans_pro") / "files"
    for name, face in _FACES.items():
        pdfmetrics.registerFont(TTFont(name, str(folder / f"SourceSansPro-{face}.ttf")))
    # Bold inside a paragraph means semibold, which prints better at this size.
    pdfmetrics.registerFontFamily(REGULAR, normal=REGULAR, bold=SEMIBOLD, italic=REGULAR, boldItalic=SEMIBOLD)


def style(
    size: float = 8.5, *, font: str = REGULAR, colour: Any = INK, right: bool = False, leading: float = 1.28
) -> ParagraphStyle:
    """Return a paragraph style; size in points."""
    return ParagraphStyle(
        "bahi",
        fontName=font,
        fontSize=size,
        leading=size * leading,
        textColor=colour,
        alignment=TA_RIGHT if right else TA_LEFT,
        splitLongWords=1,
    )


def text(value: object, given: ParagraphStyle) -> Paragraph:
    """Return a paragraph of plain text: whatever people wrote stays text and never becomes markup."""
    return Paragraph(escape(str(value)), given)


def grid(cells: Sequence[Sequence[Any]], widths: Sequence[float], *rules: tuple[Any, ...]) -> Table:
    """Return an invisible table that places its cells at the top, without padding but what the rules say."""
    table = Table(cells, colWidths=list(widths))
    table.setStyle(
        TableStyle(
            [
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("LEFTPADDING", (0, 0), (-1, -1), 0),
                ("RIGHTPADDING", (0, 0), (-1, -1), 0),
                ("TOPPADDING", (0, 0), (-1, -1), 0),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 0),
                *rules,
            ]
        )
    )
    return table


@dataclass(frozen=True)
class Column:
    """
    A column of figures: its heading and, for each row, its text with a second, quieter line (or "").

    The one column that is `wide` takes the width that the others leave, and wraps. `total` is what stands in the last row.
    """

    heading: str
    rows: Sequence[tuple[str, str]]
    total: str = ""
    is_wide: bool = False
    is_text: bool = False


def figures(columns: Sequence[Column], *, width: float = CONTENT, size: float = 8.2, least: float = 0.0) -> Table:
    """
    Return a table of figures as wide as asked, its heading repeated on every page.

    Columns are as wide as their widest figure and at least `least` points; the type shrinks as long as that leaves too
    little for the wide one.
    """
    widths = _column_widths(columns, width, size, least)
    while (
        size > 5.5
        and min(widths[index] for index, column in enumerate(columns) if column.is_wide) < _LEAST_FIRST_COLUMN
    ):
        size -= 0.3
        widths = _column_widths(columns, width, size, least)
    heads = [
        text(column.heading, style(size - 0.9, font=SEMIBOLD, colour=WHITE, right=_is_right(column)))
        for column in columns
    ]
    body = [[_cell(column, *column.rows[index], size) for column in columns] for index in range(len(columns[0].rows))]
    totals = [text(column.total, style(size, font=SEMIBOLD, right=_is_right(column))) for column in columns]
    table = Table([heads, *body, totals], colWidths=widths, repeatRows=1)
    table.setStyle(
        TableStyle(
            [
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
                ("VALIGN", (0, 0), (-1, 0), "MIDDLE"),
                ("LEFTPADDING", (0, 0), (-1, -1), _PADDING),
                ("RIGHTPADDING", (0, 0), (-1, -1), _PADDING),
                ("TOPPADDING", (0, 0), (-1, -1), 2.6),
                ("BOTTOMPADDING", (0, 0), (-1, -1), 4.2),
                ("BACKGROUND", (0, 0), (-1, 0), ACCENT),
                ("LINEBELOW", (0, 1), (-1, -2), 0.4, HAIRLINE),
                ("BACKGROUND", (0, -1), (-1, -1), TINT),
                ("LINEBELOW", (0, -1), (-1, -1), 0.8, ACCENT),
                ("NOSPLIT", (0, -2), (-1, -1)),
            ]
        )
    )
    return table


def _is_right(column: Column) -> bool:
    return not (column.is_wide or column.is_text)


def _cell(column: Column, main: str, quiet: str, size: float) -> list[Paragraph]:
    right = _is_right(column)
    cell = [text(main, style(size, right=right))]
    if quiet:
        cell.append(text(quiet, style(size - 1.3, colour=SOFT, right=right)))
    return cell


def _column_widths(columns: Sequence[Column], width: float, size: float, least: float) -> list[float]:
    measured = [0.0 if column.is_wide else max(least, _widest(column, size) + 2 * _PADDING + 0.6) for column in columns]
    spare = (width - sum(measured)) / sum(1 for column in columns if column.is_wide)
    return [spare if column.is_wide else needed for column, needed in zip(columns, measured, strict=True)]


def _widest(column: Column, size: float) -> float:
    # A heading may wrap between words, so that its longest word counts.
    parts = [(word, SEMIBOLD, size - 0.9) for word in column.heading.split()]
    parts.append((column.total, SEMIBOLD, size))
    for main, quiet in column.rows:
        parts += [(main, REGULAR, size), (quiet, REGULAR, size - 1.3)]
    return max(float(pdfmetrics.stringWidth(part, font, points)) for part, font, points in parts)


class QrCode(Flowable):
    """A QR code drawn as squares, with the quiet zone of four modules; `side` in points."""

    def __init__(self, content: str, side: float) -> None:
        super().__init__()
        self.width = self.height = side
        self._matrix = segno.make(content, error="m", micro=False).matrix

    def draw(self) -> None:
        """Draw the dark modules, a run at a time."""
        modules = len(self._matrix) + 8
        unit = self.width / modules
        self.canv.setFillColor(INK)
        for y, row in enumerate(self._matrix):
            start = None
            for x, is_dark in enumerate([*row, 0]):
                if is_dark and start is None:
                    start = x
                elif not is_dark and start is not None:
                    self.canv.rect(
                        (start + 4) * unit, self.height - (y + 5) * unit, (x - start) * unit, unit, stroke=0, fill=1
                    )
                    start = None


class _CountedCanvas(Canvas):
    """A canvas that knows at the end how many pages there are, and then writes the foot of each."""

    foot: tuple[str, str] = ("", "")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._finished: list[dict[str, Any]] = []

    def showPage(self) -> None:  # noqa: N802 - reportlab's name
        self._finished.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        for number, page in enumerate(self._finished, start=1):
            self.__dict__.update(page)
            self._draw_foot(number, len(self._finished))
            super().showPage()
        super().save()

    def _draw_foot(self, number: int, count: int) -> None:
        first, second = self.foot
        self.setStrokeColor(HAIRLINE)
        self.setLineWidth(0.5)
        self.line(MARGIN, 15 * mm, WIDTH - MARGIN, 15 * mm)
        self.setFillColor(SOFT)
        self.setFont(REGULAR, 7)
        self.drawString(MARGIN, 11.4 * mm, first)
        self.drawString(MARGIN, 8.4 * mm, second)
        self.drawRightString(WIDTH - MARGIN, 11.4 * mm, f"Page {number} of {count}")


def build(
    target: Any, story: list[Any], *, title: str, author: str, running: tuple[str, str], foot: tuple[str, str]
) -> None:
    """
    Lay a document out over as many pages as it needs and write the PDF into `target`.

    `running` heads every page but the first (left, right); `foot` is two lines under each. The same story gives the same
    bytes: the file holds no clock and no random id.
    """

    def head(canvas: Any, _: Any) -> None:
        canvas.setFillColor(SOFT)
        canvas.setFont(REGULAR, 8)
        canvas.drawString(MARGIN, HEIGHT - 12 * mm, running[0])
        canvas.setFont(SEMIBOLD, 8)
        canvas.drawRightString(WIDTH - MARGIN, HEIGHT - 12 * mm, running[1])

    def frame(top: float) -> Frame:
        bottom = 18 * mm
        return Frame(
            MARGIN, bottom, CONTENT, HEIGHT - bottom - top, leftPadding=0, rightPadding=0, topPadding=0, bottomPadding=0
        )

    document = BaseDocTemplate(
        target,
        pagesize=A4,
        title=title,
        author=author,
        subject=title,
        creator="Bahi",
        producer="Bahi",
        invariant=1,
        lang="en-IN",
    )
    document.addPageTemplates(
        [
            PageTemplate(id="first", frames=[frame(12 * mm)]),
            PageTemplate(id="later", frames=[frame(17 * mm)], onPage=head),
        ]
    )
    canvas = type("FootedCanvas", (_CountedCanvas,), {"foot": foot})
    document.build([NextPageTemplate("later"), *story], canvasmaker=canvas)
