"""Which text the sheets can print. Read before anything is drawn, so that nothing is printed in wrong shapes."""

# fontTools is typed in part.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false

import unicodedata
from functools import lru_cache
from importlib.resources import as_file, files

from fontTools.ttLib import TTFont
from fontTools.unicodedata import script

from premade.base.errors import Conflict

FONTS = (
    ("fontpkg_noto_sans", "files/NotoSans[wdth,wght].ttf"),
    ("justmytype_intl_cjk", "fonts/ofl/notosanssc/NotoSansSC[wght].ttf"),
    ("justmytype_intl_cjk", "fonts/ofl/notosanstc/NotoSansTC[wght].ttf"),
    ("justmytype_intl_cjk", "fonts/ofl/notosansjp/NotoSansJP[wght].ttf"),
    ("justmytype_intl_cjk", "fonts/ofl/notosanskr/NotoSansKR[wght].ttf"),
)
"""Package and file; a character is drawn by the first that has it. Latin, Cyrillic and Greek are in the first."""
_NAMES_KEPT_MAX = 1_000
_CHARACTERS_NAMED_MAX = 12
# In these scripts a letter is one glyph, whatever stands beside it, and lines run from left to right. Zyyy: punctuation,
# digits and symbols, which every script uses.
_SCRIPTS = frozenset({"Latn", "Cyrl", "Grek", "Hani", "Hira", "Kana", "Bopo", "Hang", "Zyyy"})
_LEFT_TO_RIGHT = frozenset({"L", "EN", "ES", "ET", "CS", "ON", "WS", "S", "B"})
_HANGUL_PARTS = frozenset([*range(0x1100, 0x1200), *range(0xA960, 0xA980), *range(0xD7B0, 0xD800)])
"""Letters of which a font would have to build a syllable; composing has built those that Unicode knows."""
# Zero-width space, joiners, word joiner, soft hyphen, BOM, text and emoji style: no ink of their own.
_INVISIBLE: dict[int, str | int | None] = dict.fromkeys(
    (0x200B, 0x200C, 0x200D, 0x2060, 0xAD, 0xFEFF, 0xFE0E, 0xFE0F)
)


class NameNotPrintable(Conflict):
    """The sheets cannot print some characters of the product's name: no font has them, or their script needs letters to
    be joined or placed, which these sheets cannot do.
    """

    code = "NAME_NOT_PRINTABLE"
    title = "The sheets cannot print this name"
    remedy = "Give another name for the sheets, in letters that they can print."


def composed(text: str) -> str:
    """Return the text as it is drawn: an accented letter is one character, and what has no ink is left out."""
    return unicodedata.normalize("NFC", text).translate(_INVISIBLE)


@lru_cache(_NAMES_KEPT_MAX)
def unprintable(text: str) -> tuple[str, ...]:
    """Return what the sheets cannot print of the text, each character once, in their order.

    An accent that cannot be composed with its letter is returned together with it.
    """
    drawn = composed(text)
    found: dict[str, None] = {}
    for place, character in enumerate(drawn):
        if unicodedata.category(character).startswith("M"):
            letter = drawn[place - 1 : place] if place else ""
            found[letter + character if letter and _is_simple(letter) else character] = None
        elif not _is_simple(character):
            found[character] = None
    return (*found, *_in_no_font(frozenset(drawn) - found.keys()))


def _in_no_font(characters: frozenset[str]) -> list[str]:
    wanted = {character for character in characters if _is_simple(character)}
    for package, file in FONTS:
        if not wanted:
            break
        with as_file(files(package).joinpath(file)) as path, TTFont(path, lazy=True) as font:
            covered = font.getBestCmap() or {}
        wanted = {character for character in wanted if ord(character) not in covered}
    return sorted(wanted)


def _is_simple(character: str) -> bool:
    """Whether the glyph of this character can be set by itself, after the one before."""
    return (
        script(character) in _SCRIPTS
        and unicodedata.bidirectional(character) in _LEFT_TO_RIGHT
        and unicodedata.category(character)[0] not in "CM"
        and ord(character) not in _HANGUL_PARTS
    )


def in_words(characters: tuple[str, ...]) -> str:
    """Return the characters with their numbers, for screens that cannot show them either: `ह (U+0939)`."""
    named = [
        f"{each} ({' '.join(f'U+{ord(character):04X}' for character in each)})"
        for each in characters[:_CHARACTERS_NAMED_MAX]
    ]
    more = len(characters) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")


def require_printable(name: str) -> None:
    """Raises: NameNotPrintable, which names the characters."""
    if characters := unprintable(name):
        message = f"The sheets cannot print these characters of the name: {in_words(characters)}."
        raise NameNotPrintable(message)
