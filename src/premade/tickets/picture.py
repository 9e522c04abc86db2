"""The QR picture of a token: version 6, level M, as a 1-bit PNG or an SVG.

One version for all tokens makes all pictures alike, and saves the search for a version and a mask. The picture of a test
ticket is taller: it has the word SAMPLE below the code and its light margin.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache

import zint

MODULE_PIXELS = 4
MODULE_PIXELS_MAX = 40
MARGIN_MODULES = 4
MARGIN_MODULES_MAX = 20
TOKEN_CHARACTERS_MAX = 154
"""Capacity of a QR code of version 6 and level M for alphanumeric characters (ISO/IEC 18004, table 7)."""
_VERSION = 6
_LEVEL_M = 2
_MASK = 4
SIDE_MODULES = 17 + 4 * _VERSION
_ROW_BYTES = (SIDE_MODULES + 7) // 8
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_ROW_FILTER_NONE = b"\0"
_FAST = 1
"""Half the time of zlib's default for a tenth more bytes."""
_SIZES_KEPT = 64
_DARK_RUN = re.compile("1+")
# The word SAMPLE in letters of 5 by 7 modules, as wide as the code.
_SAMPLE = """
....####..###..#...#.####..#.....#####...
...#.....#...#.##.##.#...#.#.....#.......
...#.....#...#.#.#.#.#...#.#.....#.......
....###..#####.#.#.#.####..#.....####....
.......#.#...#.#...#.#.....#.....#.......
.......#.#...#.#...#.#.....#.....#.......
...####..#...#.#...#.#.....#####.#####...
"""


@cache
def _sample_rows() -> list[bytes]:
    """Return the rows below the QR of a test ticket: a light margin, then the word SAMPLE."""
    words = [
        int(line[::-1].replace(".", "0").replace("#", "1"), 2).to_bytes(_ROW_BYTES, "little")
        for line in _SAMPLE.split()
    ]
    return [bytes(_ROW_BYTES)] * MARGIN_MODULES + words


def modules(token: str, *, is_sample: bool = False) -> list[bytes]:
    """Return the rows of the QR code: 8 modules a byte, the first in the lowest bit, 1 is dark.

    `is_sample`: add the rows of the word SAMPLE below it, for a test ticket.

    Raises:
        ValueError: the token is longer than TOKEN_CHARACTERS_MAX.
    """
    if len(token) > TOKEN_CHARACTERS_MAX:
        message = f"A QR token has at most {TOKEN_CHARACTERS_MAX} characters, this one {len(token)}"
        raise ValueError(message)
    symbol = zint.Symbol()
    symbol.symbology = zint.Symbology.QRCODE
    symbol.option_1, symbol.option_2, symbol.option_3 = _LEVEL_M, _VERSION, (_MASK + 1) << 8
    symbol.encode(token)
    rows = symbol.encoded_data
    stride = rows.nbytes // len(rows)
    flat = rows.cast("B")
    code = [bytes(flat[start : start + _ROW_BYTES]) for start in range(0, SIDE_MODULES * stride, stride)]
    return code + _sample_rows() if is_sample else code


def dark_runs(token: str, *, is_sample: bool = False) -> Iterator[tuple[int, int, int]]:
    """Yield the runs of dark modules: column, row and length, from the upper left corner."""
    for y, row in enumerate(modules(token, is_sample=is_sample)):
        for run in _DARK_RUN.finditer(f"{int.from_bytes(row, 'little'):0{8 * _ROW_BYTES}b}"[::-1]):
            yield run.start(), y, run.end() - run.start()


@cache
def _pixels(module_pixels: int) -> list[bytes]:
    """Return the pixels of each possible byte of modules; 1 is light."""
    bits = [
        "".join("01"[not byte >> module & 1] * module_pixels for module in range(8)) for byte in range(256)
    ]
    return [int(eight, 2).to_bytes(module_pixels, "big") for eight in bits]


@dataclass(frozen=True)
class _Frame:
    """Parts that all PNGs of one size share."""

    module_pixels: int
    margin_pixels: int
    row_bytes: int
    left: bytes
    """Start of a row of pixels: its filter, and the whole bytes of the left margin."""
    right: bytes
    shift_modules: int
    """The left margin in modules if it is not a whole number of bytes."""
    header: bytes

    @property
    def light_rows(self) -> bytes:
        """Return the margin above the code; the one below is the same."""
        return (_ROW_FILTER_NONE + b"\xff" * self.row_bytes) * self.margin_pixels

    def placed(self, rows: list[bytes]) -> list[bytes]:
        """Return the rows of modules, shifted by the rest of the left margin."""
        if not self.shift_modules:
            return rows
        shift = self.shift_modules
        return [
            (int.from_bytes(row, "little") << shift).to_bytes(_ROW_BYTES + (shift + 7) // 8, "little")
            for row in rows
        ]


def _height_modules(margin_modules: int, *, is_sample: bool) -> int:
    word = len(_sample_rows()) if is_sample else 0
    return SIDE_MODULES + word + 2 * margin_modules


@lru_cache(_SIZES_KEPT)
def _frame(module_pixels: int, margin_modules: int, *, is_sample: bool) -> _Frame:
    side_pixels = (SIDE_MODULES + 2 * margin_modules) * module_pixels
    height_pixels = _height_modules(margin_modules, is_sample=is_sample) * module_pixels
    margin_bytes, odd_pixels = divmod(margin_modules * module_pixels, 8)
    margin = b"\xff" * (margin_bytes + 1)
    return _Frame(
        module_pixels,
        margin_modules * module_pixels,
        row_bytes=(side_pixels + 7) // 8,
        left=_ROW_FILTER_NONE + (b"" if odd_pixels else margin[1:]),
        right=margin,
        shift_modules=margin_modules if odd_pixels else 0,
        header=_chunk(b"IHDR", struct.pack(">IIBBBBB", side_pixels, height_pixels, 1, 0, 0, 0, 0)),
    )


def png(
    token: str,
    module_pixels: int = MODULE_PIXELS,
    margin_modules: int = MARGIN_MODULES,
    *,
    is_sample: bool = False,
) -> bytes:
    """Return the picture as a PNG, 1 bit a pixel. The standard requires a margin of MARGIN_MODULES.

    `is_sample`: add the word SAMPLE below the code, for a test ticket.
    """
    frame, pixels = _frame(module_pixels, margin_modules, is_sample=is_sample), _pixels(module_pixels)
    row_end = len(_ROW_FILTER_NONE) + frame.row_bytes
    rows = [
        (frame.left + b"".join([pixels[byte] for byte in row]) + frame.right)[:row_end] * module_pixels
        for row in frame.placed(modules(token, is_sample=is_sample))
    ]
    margin = frame.light_rows
    image = zlib.compress(margin + b"".join(rows) + margin, _FAST)
    return b"".join([_PNG_SIGNATURE, frame.header, _chunk(b"IDAT", image), _chunk(b"IEND", b"")])


def svg(
    token: str,
    module_pixels: int = MODULE_PIXELS,
    margin_modules: int = MARGIN_MODULES,
    *,
    is_sample: bool = False,
) -> bytes:
    """Return the picture as an SVG: one path with a rectangle for each run of dark modules, on a light ground.

    `is_sample`: add the word SAMPLE below the code, for a test ticket.
    """
    width = SIDE_MODULES + 2 * margin_modules
    height = _height_modules(margin_modules, is_sample=is_sample)
    path = "".join(
        f"M{margin_modules + x} {margin_modules + y}h{length}v1h-{length}z"
        for x, y, length in dark_runs(token, is_sample=is_sample)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width * module_pixels}" '
        f'height="{height * module_pixels}" shape-rendering="crispEdges"><rect width="100%" height="100%" '
        f'fill="#fff"/><path d="{path}"/></svg>\n'
    ).encode()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
