"""Layout of printable sheets: papers, cards and their parts. Lengths are in millimetres, type sizes in points."""

from dataclasses import dataclass
from enum import StrEnum


class PaperSize(StrEnum):
    """Size of the paper in the printer."""

    A4 = "a4"
    LETTER = "letter"


SIZES_MM = {PaperSize.A4: (210.0, 297.0), PaperSize.LETTER: (215.9, 279.4)}
PER_PAGE = (10, 24)
_CAPITAL_MM_A_POINT = 0.714 * 25.4 / 72
"""Height of a capital letter in millimetres, for each point of type size."""


@dataclass(frozen=True)
class Card:
    """Layout of one ticket: the QR at the left (`qr_mm` with its light margin), the text to its right, the code below both."""

    columns: int
    rows: int
    width_mm: float
    height_mm: float
    padding_mm: float
    qr_mm: float
    logo_height_mm: float
    name_points: float
    text_points: float
    code_points: float
    """Maximum type size of the code; a longer code is set smaller."""
    sample_points: float

    @property
    def text_left_mm(self) -> float:
        """Return the left end of the text, from the card's left edge."""
        return self.padding_mm + self.qr_mm

    @property
    def code_bottom_mm(self) -> float:
        """Return the baseline of the code, from the card's lower edge."""
        return self.padding_mm + 0.3

    @property
    def code_top_mm(self) -> float:
        """Return the upper edge of the code's line, below the text."""
        return self.code_bottom_mm + self.code_points * _CAPITAL_MM_A_POINT + 0.7

    @property
    def qr_bottom_mm(self) -> float:
        """Return the lower end of the QR: centred on the card, or above the code if there is no room for both."""
        return max((self.height_mm - self.qr_mm) / 2, self.code_top_mm - 0.7)

    @property
    def text_width_mm(self) -> float:
        """Return the width of the text, up to the padding at the right."""
        return self.width_mm - self.text_left_mm - self.padding_mm


def _large(width_mm: float, height_mm: float) -> Card:
    return Card(
        2, 5, width_mm, height_mm, 3.0, 41.0, 9.0,
        name_points=11.0, text_points=7.5, code_points=9.0, sample_points=16.0,
    )  # fmt: skip


def _small(width_mm: float, height_mm: float) -> Card:
    return Card(
        3, 8, width_mm, height_mm, 1.5, 29.0, 5.0,
        name_points=7.5, text_points=5.5, code_points=6.5, sample_points=10.0,
    )  # fmt: skip


CARDS = {
    (PaperSize.A4, 10): _large(90.0, 54.0),
    (PaperSize.A4, 24): _small(64.0, 34.0),
    # The American size of a business card.
    (PaperSize.LETTER, 10): _large(88.9, 50.8),
    (PaperSize.LETTER, 24): _small(66.0, 33.0),
}
