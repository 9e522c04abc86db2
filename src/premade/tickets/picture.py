"""The QR picture of a token: version 6, level M, as a 1-bit PNG. Pure.

One size for every token keeps pictures alike and spares the search for a version and a mask.
"""

import struct
import zlib

import zint

MODULE_PIXELS = 4
MARGIN_MODULES = 4
TOKEN_CHARACTERS_MAX = 154
"""What a QR code of version 6 and level M holds of its alphanumeric set (ISO/IEC 18004, table 7)."""
_VERSION = 6
_LEVEL_M = 2
_MASK = 4
SIDE_MODULES = 17 + 4 * _VERSION
_SIDE_PIXELS = (SIDE_MODULES + 2 * MARGIN_MODULES) * MODULE_PIXELS
_ROW_BYTES = (SIDE_MODULES + 7) // 8
_PIXEL_ROW_BYTES = (_SIDE_PIXELS + 7) // 8
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PNG_GREY_1_BIT = struct.pack(">IIBBBBB", _SIDE_PIXELS, _SIDE_PIXELS, 1, 0, 0, 0, 0)
_ROW_FILTER_NONE = b"\0"
_FAST = 1
"""Half the time of zlib's default for a tenth more bytes."""


def modules(token: str) -> list[bytes]:
    """The rows of the QR code, 8 modules a byte, the first in the lowest bit, 1 dark.

    ValueError when the token is longer than TOKEN_CHARACTERS_MAX.
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
    return [bytes(flat[start : start + _ROW_BYTES]) for start in range(0, SIDE_MODULES * stride, stride)]


def _pixels_of(byte: int) -> bytes:
    """Eight modules as pixels, 1 light."""
    bits = "".join(("0" if byte >> module & 1 else "1") * MODULE_PIXELS for module in range(8))
    return int(bits, 2).to_bytes(MODULE_PIXELS, "big")


_PIXELS = [_pixels_of(byte) for byte in range(256)]
_SIDE_MARGIN = b"\xff" * (MARGIN_MODULES * MODULE_PIXELS // 8)
_LIGHT_ROW = _ROW_FILTER_NONE + b"\xff" * _PIXEL_ROW_BYTES
_TOP_MARGIN = _LIGHT_ROW * (MARGIN_MODULES * MODULE_PIXELS)


def png(token: str) -> bytes:
    """The picture, MODULE_PIXELS a module, with the quiet zone that the standard asks for."""
    rows = [
        (_ROW_FILTER_NONE + _SIDE_MARGIN + b"".join([_PIXELS[byte] for byte in row]))[: _PIXEL_ROW_BYTES + 1]
        * MODULE_PIXELS
        for row in modules(token)
    ]
    image = zlib.compress(_TOP_MARGIN + b"".join(rows) + _TOP_MARGIN, _FAST)
    return b"".join(
        [_PNG_SIGNATURE, _chunk(b"IHDR", _PNG_GREY_1_BIT), _chunk(b"IDAT", image), _chunk(b"IEND", b"")]
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
