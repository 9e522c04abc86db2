"""The QR code that an authenticator app scans, as SVG within a page."""

import re

import zint
from markupsafe import Markup

MARGIN_MODULES = 4
_DARK_RUN = re.compile("1+")


def qr_of_address(address: str, label: str) -> Markup:
    """Return a QR code of any text of up to 1,000 characters, for a page. `label`: for people who cannot see it."""
    symbol = zint.Symbol()
    symbol.symbology = zint.Symbology.QRCODE
    symbol.encode(address)
    side = symbol.width
    stride = symbol.encoded_data.nbytes // len(symbol.encoded_data)
    flat = symbol.encoded_data.cast("B")
    path = ""
    for y in range(side):
        row = int.from_bytes(flat[y * stride : (y + 1) * stride], "little")
        for run in _DARK_RUN.finditer(f"{row:0{8 * stride}b}"[::-1][:side]):
            path += f"M{run.start()} {y}h{run.end() - run.start()}v1h-{run.end() - run.start()}z"
    whole = side + 2 * MARGIN_MODULES
    return Markup(
        '<svg class="qr" xmlns="http://www.w3.org/2000/svg" width="240" height="240" role="img" aria-label="{label}" '
        'viewBox="-{margin} -{margin} {whole} {whole}"><rect x="-{margin}" y="-{margin}" width="{whole}" '
        'height="{whole}" fill="#fff"/><path d="{path}"/></svg>'
    ).format(label=label, margin=MARGIN_MODULES, whole=whole, path=path)
