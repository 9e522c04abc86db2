"""Check which text the sheets can print, before anything is drawn, so that no letter is printed in a wrong shape."""

# fontTools is typed in part.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false

import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import as_file, files
from typing import Literal

from premade.runtime.errors import Conflict
from premade.values.texts import isolated

FONTS = (
    ("fontpkg_noto_sans", "files/NotoSans[wdth,wght].ttf"),
    ("justmytype_intl_cjk", "fonts/ofl/notosanssc/NotoSansSC[wght].ttf"),
    ("justmytype_intl_cjk", "fonts/ofl/notosanstc/NotoSansTC[wght].ttf"),
    ("justmytype_intl_cjk", "fonts/ofl/notosansjp/NotoSansJP[wght].ttf"),
    ("justmytype_intl_cjk", "fonts/ofl/notosanskr/NotoSansKR[wght].ttf"),
)
"""Package and file of each font. The first font that has a character draws it; the first has Latin, Cyrillic, Greek."""
_NAMES_KEPT_MAX = 1_000
_CHARACTERS_NAMED_MAX = 12
# In these scripts a letter is one glyph, whatever its neighbours, and lines run from left to right. Zyyy is
# punctuation, digits and symbols of all scripts.
_SCRIPTS = frozenset({"Latn", "Cyrl", "Grek", "Hani", "Hira", "Kana", "Bopo", "Hang", "Zyyy"})
_LEFT_TO_RIGHT = frozenset({"L", "EN", "ES", "ET", "CS", "ON", "WS", "S", "B"})
_HANGUL_PARTS = frozenset([*range(0x1100, 0x1200), *range(0xA960, 0xA980), *range(0xD7B0, 0xD800)])
"""Parts of Korean syllables that a font would have to join. NFC has already joined those that Unicode has."""
# Zero-width space, joiners, word joiner, soft hyphen, BOM, variation selectors: they print nothing.
_INVISIBLE: dict[int, str | int | None] = dict.fromkeys(
    (0x200B, 0x200C, 0x200D, 0x2060, 0xAD, 0xFEFF, 0xFE0E, 0xFE0F)
)


@dataclass(eq=False)
class NameNotPrintable(Conflict):
    """The sheets cannot print some characters of the product's name."""

    code = "NAME_NOT_PRINTABLE"

    characters: str
    reason: Literal["name", "name_with_option"] = "name"


def composed(text: str) -> str:
    """Return the text as it is drawn: accented letters composed (NFC), invisible characters left out."""
    return unicodedata.normalize("NFC", text).translate(_INVISIBLE)


@lru_cache(_NAMES_KEPT_MAX)
def unprintable(text: str) -> tuple[str, ...]:
    """Return the characters of the text that the sheets cannot print, each once, in their order.

    An accent that cannot be composed with its letter is returned together with it.
    """
    drawn = composed(text)
    missing: dict[str, None] = {}
    for place, character in enumerate(drawn):
        if unicodedata.category(character).startswith("M"):
            letter = drawn[place - 1 : place] if place else ""
            missing[letter + character if letter and _is_simple(letter) else character] = None
        elif not _is_simple(character):
            missing[character] = None
    return (*missing, *_in_no_font(frozenset(drawn) - missing.keys()))


def _in_no_font(characters: frozenset[str]) -> list[str]:
    missing = {character for character in characters if _is_simple(character)}
    for package, file in FONTS:
        if not missing:
            break
        covered = _code_points_of(package, file)
        missing = {character for character in missing if ord(character) not in covered}
    return sorted(missing)


@cache
def _code_points_of(package: str, file: str) -> frozenset[int]:
    """Return the code points of a font's characters: up to 0.1 s for the first call, then 2 MB of memory."""
    from fontTools.ttLib import TTFont  # noqa: PLC0415  (only sheets need it)

    with as_file(files(package).joinpath(file)) as path, TTFont(path, lazy=True) as font:
        return frozenset(font.getBestCmap() or {})


def _is_simple(character: str) -> bool:
    """Return whether this character is one glyph, set after the one before it."""
    from fontTools.unicodedata import script  # noqa: PLC0415  (only sheets need it)

    return (
        script(character) in _SCRIPTS
        and unicodedata.bidirectional(character) in _LEFT_TO_RIGHT
        and unicodedata.category(character)[0] not in "CM"
        and ord(character) not in _HANGUL_PARTS
    )


def in_words(characters: tuple[str, ...]) -> str:
    """Return the characters with their code points, since a screen may lack them too: `ह (U+0939)`."""
    named = [
        f"{isolated(letter)} ({' '.join(f'U+{ord(character):04X}' for character in letter)})"
        for letter in characters[:_CHARACTERS_NAMED_MAX]
    ]
    more = len(characters) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")


def require_printable(name: str) -> None:
    """Raise NameNotPrintable, with the characters, if the sheets cannot print the name."""
    if characters := unprintable(name):
        raise NameNotPrintable(in_words(characters))
