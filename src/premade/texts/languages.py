"""The languages of the texts, and the choice of one by what a browser or a client accepts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from gettext import GNUTranslations, NullTranslations
from importlib import resources
from io import BytesIO

from premade.texts.fields import field_text
from premade.texts.translation import ENGLISH, Language

HEADER_CHARACTERS_MAX = 1_000
"""A longer `Accept-Language` is ignored."""
_HEADERS_CACHED = 1_024


def _translations(folder: str) -> NullTranslations:
    """Return a catalogue. The wheel has it compiled, a checkout has its source only."""
    place = resources.files("premade.texts") / folder / "LC_MESSAGES"
    source, compiled = place / "console.po", place / "console.mo"
    if not source.is_file():
        return GNUTranslations(BytesIO(compiled.read_bytes()))
    # Only here: a service from the wheel does not need them.
    from babel.messages.mofile import write_mo  # noqa: PLC0415
    from babel.messages.pofile import read_po  # noqa: PLC0415

    out = BytesIO()
    write_mo(out, read_po(BytesIO(source.read_bytes()), locale=folder))
    return GNUTranslations(BytesIO(out.getvalue()))


TRADITIONAL_CHINESE = Language("zh-Hant", "繁體中文", "zh_Hant_HK", lambda: _translations("zh_Hant"))
SIMPLIFIED_CHINESE = Language("zh-Hans", "简体中文", "zh_Hans_CN", lambda: _translations("zh_Hans"))
LANGUAGES = (ENGLISH, TRADITIONAL_CHINESE, SIMPLIFIED_CHINESE)
"""In the order of the switch."""
RANGES: Mapping[str, Language] = {
    **{language.tag.lower(): language for language in LANGUAGES},
    **dict.fromkeys(("zh-tw", "zh-hk", "zh-mo", "yue"), TRADITIONAL_CHINESE),
    **dict.fromkeys(("zh", "zh-cn", "zh-sg", "zh-my"), SIMPLIFIED_CHINESE),
}
"""The languages by the ranges that stand for them, in small letters. Regions write Chinese in one script or the other."""


@dataclass(frozen=True)
class Choice:
    """The languages that pages are offered in, and the operator's default."""

    default: Language = ENGLISH
    offered: Sequence[Language] = LANGUAGES

    def of_reader(self, accepted: str, chosen: str) -> Language:
        """Return the language that the reader has chosen, else the best of `Accept-Language`, else the default."""
        if chosen in self._by_tag:
            return self._by_tag[chosen]
        found = accepted_language(accepted)
        return found if found and found in self.offered else self.default

    @cached_property
    def _by_tag(self) -> Mapping[str, Language]:
        return {language.tag: language for language in self.offered}


def checked_language(text: str) -> str:
    """Return the tag of a language.

    Raises:
        ValueError: there is no such language.
    """
    tags = [language.tag for language in LANGUAGES]
    if text not in tags:
        raise ValueError(field_text("general.one_of", choices=", ".join(tags)))
    return text


def language_of_tag(tag: str) -> Language:
    """Return the language with this tag."""
    return RANGES[tag.lower()]


@lru_cache(_HEADERS_CACHED)
def accepted_language(header: str) -> Language | None:
    """Return the language that a value of `Accept-Language` prefers, or None if it names none of ours.

    Qualities by RFC 9110 (12.5.4), lookup by RFC 4647 (3.4): the client's preference decides, and `zh-Hant-TW` is also `zh-Hant`.
    """
    if len(header) > HEADER_CHARACTERS_MAX:
        return None
    by_preference = sorted(_ranges(header), key=lambda each: -each[1])
    found = (_lookup(name) for name, quality in by_preference if quality > 0)
    return next((language for language in found if language), None)


def _ranges(header: str) -> Iterator[tuple[str, float]]:
    """Yield each language range with its quality. A malformed one is left out."""
    for part in header.split(","):
        name, *parameters = (each.strip().lower() for each in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip() == "q":
                quality = _quality(value.strip())
        if name:
            yield name, quality


def _quality(text: str) -> float:
    try:
        quality = float(text)
    except ValueError:
        return 0.0
    return quality if 0 <= quality <= 1 else 0.0


def _lookup(name: str) -> Language | None:
    subtags = name.split("-")
    shorter = ("-".join(subtags[:length]) for length in range(len(subtags), 0, -1))
    return next((RANGES[each] for each in shorter if each in RANGES), None)
