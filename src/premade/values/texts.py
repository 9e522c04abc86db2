"""Normalize and check text from people and clients: one spelling for texts that look the same. Pure.

Every text is trimmed and composed (Unicode normalization form C). Invisible characters are treated by the kind of text:

- `one_line`: names, reasons. Marks that come with copy and paste are dropped. Characters that deceive (direction
  controls, fillers, control characters) are refused, each by its Unicode name and its position.
- `reference`: identifiers of other systems, such as a payment reference. As `one_line`, with plain spaces, and
  without joiners.
- `cleaned`: search boxes, arguments of the command, e-mail addresses, phone numbers. Nothing is refused here.
- Ids of our own, such as a `batch_id`, are ASCII. They are compared as they are; `odd_character` names what is wrong.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any, cast

from premade.texts.fields import field_text

# Derived Core Properties of Unicode 15.1, Default_Ignorable_Code_Point; and three more that have no picture:
# the Braille blank, the annotation controls and the null note head.
_INVISIBLE_RANGES = (
    (0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
    (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x2800, 0x2800), (0x3164, 0x3164), (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFFB), (0x1BCA0, 0x1BCA3), (0x1D159, 0x1D159),
    (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip


def _characters(ranges: Iterable[tuple[int, int]]) -> str:
    return "".join(chr(number) for first, last in ranges for number in range(first, last + 1))


_JOINERS = "\u200c\u200d"
# Variation selectors: they choose the glyph of the character before them (an emoji in colour, a Japanese ideograph).
_VARIATIONS = _characters(((0x180B, 0x180D), (0x180F, 0x180F), (0xFE00, 0xFE0F), (0xE0100, 0xE01EF)))
# Copy and paste or input methods add these; they mean nothing in a line of text.
_PASTED = frozenset(
    "\u00ad\u034f\u061c\u17b4\u17b5\u180e\u200b\u200e\u200f\u2060\u2061\u2062\u2063\u2064\ufeff"
)
_PLACED = frozenset(_JOINERS + _VARIATIONS)
_INVISIBLE = frozenset(_characters(_INVISIBLE_RANGES))
_DECEPTIVE = _INVISIBLE - _PASTED - _PLACED
_HAS_INVISIBLE = re.compile(f"[{''.join(f'{chr(first)}-{chr(last)}' for first, last in _INVISIBLE_RANGES)}]")
# Control characters, line and paragraph separators, halves of surrogate pairs.
_NOT_ON_A_LINE = {"Cc", "Zl", "Zp", "Cs"}
_NONCHARACTER = 0xFFFE
_NO_JOINERS_IN = (
    "LATIN",
    "GREEK",
    "CYRILLIC",
    "COMBINING",
    "CJK",
    "HIRAGANA",
    "KATAKANA",
    "HANGUL",
    "FULLWIDTH",
)
_NO_VARIATIONS_IN = ("LATIN", "GREEK", "CYRILLIC", "COMBINING")
_TURNING = {"R", "AL", "AN", "LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
_CONTROL_NAMES = {"\0": "NULL", "\t": "TAB", "\n": "LINE FEED", "\r": "CARRIAGE RETURN", "\x1b": "ESCAPE"}


def one_line(text: str, characters_max: int) -> str:
    """Return a name or a reason as it is stored: trimmed, composed, at most `characters_max` characters.

    Raises:
        ValueError: nothing visible is in it, it is too long, or it has a character that deceives or breaks the line.
    """
    return _checked(text, characters_max, keeps_joiners=True)


def reference(text: str, characters_max: int) -> str:
    """Return an identifier of another system as it is stored; as `one_line`, with no other blank than a plain space.

    Raises:
        ValueError: as `one_line`; also for characters that are not assigned or for private use.
    """
    cleaned_text = _checked(text, characters_max, keeps_joiners=False)
    cleaned_text = cleaned_text if cleaned_text.isascii() else _with_plain_spaces(cleaned_text)
    if not cleaned_text.isprintable():
        raise ValueError(
            _must_not_contain(
                text, next(character for character in cleaned_text if not character.isprintable())
            )
        )
    return cleaned_text


def cleaned(text: str) -> str:
    """Return what somebody typed or pasted: trimmed, composed, on one line, without anything invisible.

    Control characters other than blanks stay, so that the parser of the text refuses it.
    """
    if text.isascii() and text.isprintable():
        return text.strip(" ")
    return _normalized(_with_plain_spaces(text), keeps_joiners=True, drops=_INVISIBLE)


def folded(name: str) -> str:
    """Return one key for all names that people would confuse.

    Case, blanks, composition, width and invisible characters make no difference (NFKC and full case folding).
    """
    visible = _HAS_INVISIBLE.sub("", unicodedata.normalize("NFKC", name)).replace("\0", "")
    return "".join(unicodedata.normalize("NFKC", visible.casefold()).split())


def described(character: str) -> str:
    """Return the name and number of a character: `ZERO WIDTH SPACE (U+200B)`."""
    unnamed = "CONTROL CHARACTER" if unicodedata.category(character) == "Cc" else "CHARACTER WITHOUT A NAME"
    name = _CONTROL_NAMES.get(character) or unicodedata.name(character, unnamed)
    return f"{name} (U+{ord(character):04X})"


def odd_character(text: str, allowed: re.Pattern[str]) -> tuple[int, str] | None:
    """Return the first character that `allowed` does not match: its position from 1, and its name (`described`).

    Visible ASCII characters do not count: everybody sees them. Return None if there is no other.
    """
    for position, character in enumerate(text, 1):
        if not allowed.fullmatch(character) and not (character.isascii() and character.isprintable()):
            return position, described(character)
    return None


def without_invisible(text: str) -> str:
    """Return the text without any character that has no picture, joiners included."""
    return _HAS_INVISIBLE.sub("", text)


def composed(value: Any) -> Any:
    """Return a JSON value with every text in it composed (NFC), so that two spellings of it are equal."""
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        return {composed(name): composed(member) for name, member in members.items()}
    if isinstance(value, list):
        return [composed(item) for item in cast("list[Any]", value)]
    return value


def _checked(text: str, characters_max: int, *, keeps_joiners: bool) -> str:
    cleaned_text = text.strip()
    # Most texts are plain, and need no more than their length checked.
    is_plain = cleaned_text.isascii() and cleaned_text.isprintable()
    if not is_plain:
        cleaned_text = _normalized(text, keeps_joiners=keeps_joiners)
    if not 1 <= len(cleaned_text) <= characters_max or not (
        is_plain or without_invisible(cleaned_text).strip()
    ):
        raise ValueError(field_text("text.length", most=characters_max))
    if not is_plain:
        for character in cleaned_text:
            if character in _DECEPTIVE or _breaks(character):
                raise ValueError(_must_not_contain(text, character))
    return cleaned_text


def _normalized(text: str, *, keeps_joiners: bool, drops: frozenset[str] = _PASTED | _PLACED) -> str:
    # Blanks and invisible characters may stand at the ends in any order.
    if _HAS_INVISIBLE.search(text):
        text = "".join(_without(text, keeps_joiners=keeps_joiners, drops=drops))
    return unicodedata.normalize("NFC", text).strip()


def _without(text: str, *, keeps_joiners: bool, drops: frozenset[str]) -> Iterator[str]:
    """Drop the characters in `drops`, except joiners and variation selectors that change a glyph."""
    before = base = " "
    for position, character in enumerate(text):
        if character in drops:
            if not keeps_joiners or character not in _PLACED:
                continue
            if not _changes_picture(character, before, base, text, position):
                continue
        else:
            base = character
        before = character
        yield character


def _changes_picture(character: str, before: str, base: str, text: str, position: int) -> bool:
    if base.isspace() or before in _JOINERS or base in _DECEPTIVE:
        return False
    script = unicodedata.name(base, "")
    if character in _VARIATIONS:
        return before not in _VARIATIONS and not script.startswith(_NO_VARIATIONS_IN)
    next_visible = next((later for later in text[position + 1 :] if later not in _INVISIBLE), " ")
    return not (next_visible.isspace() or base.isascii() or script.startswith(_NO_JOINERS_IN))


def _breaks(character: str) -> bool:
    return (
        unicodedata.category(character) in _NOT_ON_A_LINE or ord(character) & _NONCHARACTER == _NONCHARACTER
    )


def _with_plain_spaces(text: str) -> str:
    return "".join(" " if character.isspace() else character for character in text)


def _must_not_contain(text: str, character: str) -> str:
    # The position in the text as it was sent, including characters that are dropped.
    position = text.find(character) + 1
    if not position:
        return field_text("text.character", character=described(character))
    return field_text("text.character_at", character=described(character), position=position)


def turns_direction(text: str) -> bool:
    """Return whether a text changes the reading direction of what stands beside it: Arabic, Hebrew, direction controls."""
    return not text.isascii() and any(unicodedata.bidirectional(character) in _TURNING for character in text)


def isolated(text: str) -> str:
    """Return the text between isolate characters (U+2068, U+2069; UAX 9) if it changes the reading direction.

    For places without markup: a terminal, a title, an attribute, an option of a list.
    """
    return f"\u2068{text}\u2069" if turns_direction(text) else text
