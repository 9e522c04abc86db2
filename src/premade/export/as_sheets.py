"""Printable sheets as PDF: cards to cut along the crop marks. Lengths are in points here, the y axis points up.

Text that many tickets share is drawn once and reused. The QR is drawn as rectangles, so that it is sharp on any printer.
"""

# The library's types are known in part.
# pyright: reportUnknownMemberType=false

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from PIL import Image
from reportlab import rl_config
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from premade.export.layout import CARDS, SIZES_MM, Card, PaperSize
from premade.export.letters import composed, require_printable
from premade.export.rows import Export, ExportRow
from premade.export.rows_sql import BatchToExport
from premade.export.typeface import Typeface
from premade.tickets import picture
from premade.tickets.ticket import uses_of

TICKETS_A_FILE_MAX = 5_000
# Binary streams: as printable characters they would be a quarter longer.
rl_config.useA85 = 0
_BOLD, _REGULAR = 600, 400
_ASCII = "".join(map(chr, range(0x20, 0x7F)))
_SAMPLE, _NO_ENTRY = "SAMPLE", ("Not valid", "for entry")
_TIMES, _DOT = "\u00d7", "\u00b7"
_LEADING = 1.2
_NAME_LINES_MAX = 3
_TEXT_LINES_MAX = 6
_MARK_MM = 4.0
_MARK_GAP_MM = 1.0
_CROSS_MM = 1.0
_HAIRLINE = 0.25
_FOOT_POINTS = 6.0
_FOOT_MM = 3.5


@dataclass(frozen=True)
class Design:
    """The look of a batch's sheets, the same in all its files."""

    paper: PaperSize
    card: Card
    title: str
    """The product's name, or another name for the sheets."""
    name: Typeface
    text: Typeface
    logo: ImageReader | None


def design(
    batch: BatchToExport, paper: PaperSize, per_page: int, logo: Image.Image | None, title: str | None = None
) -> Design:
    """Return the design of this batch's sheets. `title` replaces the product's name.

    Raises: NameNotPrintable.
    """
    title = title or batch.product_name
    require_printable(title)
    return Design(
        paper,
        CARDS[paper, per_page],
        composed(title),
        Typeface(_ASCII + title, _BOLD),
        Typeface(_ASCII + _TIMES + _DOT, _REGULAR),
        None if logo is None else ImageReader(logo),
    )


async def write_sheets(
    export: Export, begin: Callable[[], BinaryIO], design: Design, report: Callable[[int], None]
) -> tuple[int, str]:
    """Write one file of at most TICKETS_A_FILE_MAX tickets, by code. Return the number of tickets and the last code.

    `begin` opens the file. It is not called if there are no tickets.
    """
    book, tickets, last_code = None, 0, ""
    async for rows in export.portions:
        book = book or _Book(begin(), design, export.batch)
        # In a thread, so that the event loop stays free for other requests.
        await asyncio.to_thread(book.add_all, rows)
        tickets, last_code = tickets + len(rows), rows[-1].ticket_code
        report(len(rows))
    if book is not None:
        await asyncio.to_thread(book.end)
    return tickets, last_code


class _Book:
    """The pages of one file."""

    def __init__(self, out: BinaryIO, design: Design, batch: BatchToExport) -> None:
        self._design = design
        self._batch = batch
        width_mm, height_mm = SIZES_MM[design.paper]
        card = design.card
        self._left = (width_mm - card.columns * card.width_mm) / 2 * mm
        self._top = (height_mm + card.rows * card.height_mm) / 2 * mm
        self._canvas = Canvas(out, pagesize=(width_mm * mm, height_mm * mm), pageCompression=1)
        self._canvas.setTitle(f"{batch.batch_id} {design.title}")
        self._canvas.setCreator("premade")
        self._pages = 0
        self._on_page = 0
        self._faces: dict[tuple[str, ...], str] = {}
        self._code_points: dict[str, float] = {}

    def add_all(self, tickets: Sequence[ExportRow]) -> None:
        for ticket in tickets:
            self._add(ticket)

    def _add(self, ticket: ExportRow) -> None:
        card = self._design.card
        if self._on_page == card.columns * card.rows:
            self._canvas.showPage()
            self._on_page = 0
        # Before the page begins: a PDF form cannot be defined within a page.
        face = self._face(ticket)
        if self._on_page == 0:
            self._begin_page(ticket.ticket_code)
        row, column = divmod(self._on_page, card.columns)
        left = self._left + column * card.width_mm * mm
        bottom = self._top - (row + 1) * card.height_mm * mm
        self._canvas.saveState()
        self._canvas.translate(left, bottom)
        self._canvas.doForm(face)
        self._draw_code(ticket.ticket_code)
        self._draw_qr(ticket.qr_token)
        self._canvas.restoreState()
        self._on_page += 1

    def end(self) -> None:
        self._canvas.save()

    def _begin_page(self, first_code: str) -> None:
        self._pages += 1
        self._draw_marks()
        typeface, width = self._design.text, self._design.card.width_mm * mm
        # One text below each of the first two columns, clear of the crop marks.
        for column, text in enumerate((f"{self._pages} {_DOT} {self._batch.batch_id}", f"from {first_code}")):
            points = typeface.fitting(text, _FOOT_POINTS, width - 2 * _FOOT_MM * mm)
            left = self._left + column * width + _FOOT_MM * mm
            self._draw_text(typeface, text, left, _FOOT_MM * mm, points)

    def _draw_marks(self) -> None:
        """Draw the crop marks: lines in the margin for a guillotine, small crosses between the cards for scissors."""
        card, canvas = self._design.card, self._canvas
        across = [self._left + place * card.width_mm * mm for place in range(card.columns + 1)]
        down = [self._top - place * card.height_mm * mm for place in range(card.rows + 1)]
        near, far = _MARK_GAP_MM * mm, (_MARK_GAP_MM + _MARK_MM) * mm
        canvas.setLineWidth(_HAIRLINE)
        lines = [
            line
            for x in across
            for line in ((x, down[0] + near, x, down[0] + far), (x, down[-1] - near, x, down[-1] - far))
        ] + [
            line
            for y in down
            for line in (
                (across[0] - near, y, across[0] - far, y),
                (across[-1] + near, y, across[-1] + far, y),
            )
        ]
        half = _CROSS_MM * mm
        for x in across[1:-1]:
            for y in down[1:-1]:
                lines += [(x - half, y, x + half, y), (x, y - half, x, y + half)]
        canvas.lines(lines)

    def _face(self, ticket: ExportRow) -> str:
        """Return the name of the PDF form that tickets with the same entitlements and days share; draw it at first use."""
        lines = tuple(_lines(ticket, self._batch))
        if lines not in self._faces:
            name = f"face-{len(self._faces)}"
            self._canvas.beginForm(name)
            self._draw_face(lines)
            self._canvas.endForm()
            self._faces[lines] = name
        return self._faces[lines]

    def _draw_face(self, lines: tuple[str, ...]) -> None:
        design, card = self._design, self._design.card
        left, width = card.text_left_mm * mm, card.text_width_mm * mm
        y = (card.height_mm - card.padding_mm) * mm
        if self._batch.is_test:
            y = self._draw_sample(left, y, width)
        if design.logo is not None:
            y = self._draw_logo(design.logo, left, y, width)
        name, texts = self._fitting_lines(lines, width, y - card.code_top_mm * mm)
        for line in name:
            y -= card.name_points * _LEADING
            self._draw_text(design.name, line, left, y, card.name_points)
        y -= card.text_points * (_LEADING - 1) * 2
        for line in texts:
            y -= card.text_points * _LEADING
            self._draw_text(design.text, line, left, y, card.text_points)

    def _fitting_lines(
        self, texts: tuple[str, ...], width: float, height: float
    ) -> tuple[list[str], list[str]]:
        """Return the lines of the name and of the entitlements. A long name is cut, the days never are."""
        design, size = self._design, self._design.card.text_points
        uses, *days = texts
        below = [line for day in days for line in design.text.wrapped(day, size, width, _TEXT_LINES_MAX)]
        name, room = [], 0
        for name_lines in range(_NAME_LINES_MAX, 0, -1):
            name = design.name.wrapped(design.title, design.card.name_points, width, name_lines)
            left = height - len(name) * design.card.name_points * _LEADING - size * (_LEADING - 1) * 2
            room = min(_TEXT_LINES_MAX, int(left / (size * _LEADING)))
            if room > len(below):
                break
        above = design.text.wrapped(uses, size, width, max(1, room - len(below)))
        return name, [*above, *below][:room]

    def _draw_sample(self, left: float, top: float, width: float) -> float:
        """Mark the card of a test partner, in white on black so that every printer shows it. Returns the mark's lower end."""
        canvas, card = self._canvas, self._design.card
        large, small = card.sample_points, card.sample_points / 2.4
        height = large * _LEADING
        canvas.saveState()
        canvas.setFillGray(0)
        canvas.rect(left, top - height, width, height, stroke=0, fill=1)
        canvas.setFillGray(1)
        inset = large / 6
        self._draw_text(self._design.name, _SAMPLE, left + inset, top - large * 0.96, large)
        right = left + 2 * inset + self._design.name.width(_SAMPLE, large)
        for place, line in enumerate(_NO_ENTRY):
            self._draw_text(self._design.text, line, right, top - small * _LEADING * (place + 0.9), small)
        canvas.restoreState()
        return top - height - inset

    def _draw_logo(self, logo: ImageReader, left: float, top: float, width: float) -> float:
        """Draw the logo with its proportions, within the text's width. Return its lower end."""
        pixels_wide, pixels_high = logo.getSize()
        height = min(self._design.card.logo_height_mm * mm, width * pixels_high / pixels_wide)
        self._canvas.drawImage(
            logo, left, top - height, height * pixels_wide / pixels_high, height, mask="auto"
        )
        return top - height - self._design.card.text_points * (_LEADING - 1)

    def _draw_code(self, code: str) -> None:
        """Draw the code below the QR, on one line across the card: people miscopy a code on two lines."""
        card = self._design.card
        # All digits have one width, so codes of equal length and letters have one width.
        start = code.rpartition("-")[0]
        if start not in self._code_points:
            room = (card.width_mm - 2 * card.padding_mm) * mm
            self._code_points[start] = self._design.name.fitting(code, card.code_points, room)
        points = self._code_points[start]
        self._draw_text(self._design.name, code, card.padding_mm * mm, card.code_bottom_mm * mm, points)

    def _draw_text(self, typeface: Typeface, text: str, left: float, y: float, size: float) -> None:
        drawn = self._canvas.beginText(left, y)
        for font_name, part in typeface.runs(text):
            drawn.setFont(font_name, size)
            drawn.textOut(part)
        self._canvas.drawText(drawn)

    def _draw_qr(self, token: str) -> None:
        """Draw one path in units of a module, with the y axis pointing down. The paper is the light margin."""
        card = self._design.card
        module = card.qr_mm * mm / (picture.SIDE_MODULES + 2 * picture.MARGIN_MODULES)
        margin = picture.MARGIN_MODULES * module
        top = (card.qr_bottom_mm + card.qr_mm) * mm - margin
        left = card.padding_mm * mm / 2 + margin
        dark = " ".join([f"{x} {y} {length} 1 re" for x, y, length in picture.dark_runs(token)])
        self._canvas.addLiteral(f"q {module:.4f} 0 0 {-module:.4f} {left:.3f} {top:.3f} cm {dark} f Q")


def _lines(ticket: ExportRow, batch: BatchToExport) -> Iterator[str]:
    """Yield the entitlements and the last days of a ticket."""
    yield ", ".join(f"{code} {_TIMES} {left}" for code, left in uses_of(ticket.entitlements).items())
    if ticket.usable_until is not None:
        yield f"Last day of use: {ticket.usable_until}"
    elif batch.usable_days is not None:
        yield f"To be used within {batch.usable_days} days after the day of sale"
    if ticket.valid_until is not None:
        yield f"Last day of sale: {ticket.valid_until}"
