"""The letters on printed sheets: Noto Sans, and its Chinese, Japanese and Korean sisters for what it lacks.

The fonts are variable and have tens of thousands of glyphs. Each is reduced to the glyphs and the weight that a sheet
needs, so that a PDF embeds a few kilobytes.
"""

# fontTools is typed in part.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false

import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import as_file, files
from itertools import groupby

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont
from fontTools.varLib.instancer import instantiateVariableFont
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont as EmbeddedFont

from premade.export.letters import FONTS, composed

# After a space or a hyphen, and around each character of the scripts that put no spaces between words.
_BREAK_AFTER = re.compile(r"[ \-]|[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")
_ELLIPSIS = "…"
_POSTSCRIPT_NAME = 6


@dataclass(frozen=True)
class _Face:
    font_name: str
    characters: frozenset[str]


class Typeface:
    """One weight of the letters, for `characters` only.

    A character that no font has would be drawn as a box; `letters.py` refuses such a text before.
    """

    def __init__(self, characters: str, weight: int) -> None:
        missing = set(composed(characters)) | {_ELLIPSIS, " "}
        self._faces: list[_Face] = []
        for package, file in FONTS:
            face = _face(package, file, frozenset(missing), weight)
            if face is not None:
                self._faces.append(face)
                missing -= face.characters

    def runs(self, text: str) -> Iterator[tuple[str, str]]:
        """Yield the text in parts, each with the name of its font."""
        for font_name, part in groupby(text, key=self._font_of):
            yield font_name, "".join(part)

    def _font_of(self, character: str) -> str:
        for face in self._faces:
            if character in face.characters:
                return face.font_name
        return self._faces[0].font_name

    def width(self, text: str, size: float) -> float:
        """Return the width in points."""
        return sum(pdfmetrics.stringWidth(part, font_name, size) for font_name, part in self.runs(text))

    def fitting(self, text: str, size: float, width: float) -> float:
        """Return the size in points, at most `size`, in which the text is at most `width` points wide."""
        return size * min(1.0, width / self.width(text, size))

    def wrapped(self, text: str, size: float, width: float, lines_max: int) -> list[str]:
        """Return the text in at most `lines_max` lines of at most `width` points. A longer text ends in an ellipsis."""
        lines: list[str] = []
        rest = text.strip()
        while rest and len(lines) < lines_max:
            end = self._line_end(rest, size, width)
            lines.append(rest[:end].rstrip())
            rest = rest[end:].lstrip()
        if rest and lines:
            lines[-1] = self._shortened(lines[-1], size, width)
        return lines

    def _line_end(self, text: str, size: float, width: float) -> int:
        fits = next(
            (end - 1 for end in range(1, len(text) + 1) if self.width(text[:end].rstrip(), size) > width),
            len(text),
        )
        if fits == len(text):
            return fits
        breaks = [found.end() for found in _BREAK_AFTER.finditer(text) if found.end() <= fits]
        # A word that is longer than a line is broken at the end of the line.
        return breaks[-1] if breaks else max(1, fits)

    def _shortened(self, text: str, size: float, width: float) -> str:
        while text and self.width(text + _ELLIPSIS, size) > width:
            text = text[:-1].rstrip()
        return text + _ELLIPSIS


def _face(package: str, file: str, characters: frozenset[str], weight: int) -> _Face | None:
    """Register the font's part for these characters, and return it; None if it has none of them.

    Its name is a checksum of font, weight and characters.
    """
    if not characters:
        return None
    with as_file(files(package).joinpath(file)) as path, TTFont(path, lazy=True) as font:
        covered = font.getBestCmap() or {}
        has = frozenset(character for character in characters if ord(character) in covered)
        if not has:
            return None
        content = f"{file}:{weight}:{''.join(sorted(has))}"
        font_name = f"premade-{zlib.crc32(content.encode()):08x}"
        for record in font["name"].names:
            if record.nameID == _POSTSCRIPT_NAME:
                # A PDF identifies its fonts by this name.
                record.string = font_name.encode(record.getEncoding() or "ascii")
        pdfmetrics.registerFont(EmbeddedFont(font_name, io.BytesIO(_cut(font, has, weight))))
    return _Face(font_name, has)


def _cut(font: TTFont, characters: frozenset[str], weight: int) -> bytes:
    """Return the font with these glyphs and the box for missing ones, in one weight."""
    options = Options()
    options.notdef_outline = True
    options.layout_features = []
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=[ord(character) for character in characters])
    subsetter.subset(font)
    axes = {axis.axisTag: axis.defaultValue for axis in font["fvar"].axes} | {"wght": weight}
    reduced = io.BytesIO()
    instantiateVariableFont(font, axes).save(reduced)
    return reduced.getvalue()
