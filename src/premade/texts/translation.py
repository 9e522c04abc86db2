"""Texts in the reader's language, by gettext. English is the source language, and `console.pot` is the catalogue.

    _("Key %(key)s of %(partner)s", key=12, partner="Acme")
    ngettext("%(num)s ticket", "%(num)s tickets", count)
    LABEL = lazy("Name")

A literal `%` is written `%%`. Templates have the same `_` and `ngettext`. Outside of `reading_in` all texts are English, as
the API and the commands show them.
"""

from collections import defaultdict
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from gettext import GNUTranslations, NullTranslations


@dataclass(frozen=True)
class Language:
    """A language of the texts."""

    tag: str
    """The language tag (BCP 47) for the `lang` of a page, such as `zh-Hant`."""
    own_name: str
    """Its name in itself."""
    locale: str
    """The locale of CLDR that formats its numbers, money and dates."""
    load: Callable[[], NullTranslations]
    """Reads the translations. It is called at their first use."""
    group: str = ","
    """What separates thousands, as in its locale. Here, because commands write numbers without loading CLDR."""

    @cached_property
    def translations(self) -> NullTranslations:
        """The translations of all texts."""
        return self.load()

    @cached_property
    def script_texts(self) -> dict[str, object]:
        """The texts of scripts, for the gate page."""
        return script_texts(self.translations)


ENGLISH = Language("en", "English", "en_GB", NullTranslations)
"""Every text as it is in the code."""
SCRIPT = "script"
"""The context, in the catalogue, of texts that scripts of pages write."""
_COUNTS_WITH_FORMS = 200
_reading: ContextVar[Language] = ContextVar("language", default=ENGLISH)


@contextmanager
def reading_in(language: Language) -> Generator[None]:
    """Translate the texts of this block."""
    before = _reading.set(language)
    try:
        yield
    finally:
        _reading.reset(before)


def set_language(language: Language) -> None:
    """Translate the texts of the rest of this task."""
    _reading.set(language)


def current_language() -> Language:
    """Return the language of the reader."""
    return _reading.get()


def translate(text: str) -> str:
    """Return the translation of a text from a list, such as the title of a problem. Its placeholders stay as they are."""
    # The translation of "" is the header of the catalogue.
    return _reading.get().translations.gettext(text) if text else ""


def translate_plural(singular: str, plural: str, count: int) -> str:
    """Return the translation of the form for this count. Its placeholders stay as they are."""
    return _reading.get().translations.ngettext(singular, plural, count)


def gettext(text: str, /, **values: object) -> str:
    """Return the translation of a text with its values."""
    return translate(text) % values


def ngettext(singular: str, plural: str, count: int, /, **values: object) -> str:
    """Return the translation of the form for this count, with its values. `%(num)s` is the count as `12,000`."""
    return translate_plural(singular, plural, count) % {"num": number_text(count), **values}


def number_text(count: int) -> str:
    """Return `12,000`."""
    return f"{count:,}".replace(",", current_language().group)


@dataclass(frozen=True)
class LazyText:
    """A text that is declared before the reader's language is known. `str` translates it."""

    text: str
    values: tuple[tuple[str, object], ...] = ()

    def __str__(self) -> str:
        return gettext(self.text, **dict(self.values))


Text = str | LazyText


def lazy(text: str, /, **values: object) -> LazyText:
    """Declare a text at import: a label, a hint, a title."""
    return LazyText(text, tuple(values.items()))


def script_texts(translations: NullTranslations) -> dict[str, object]:
    """Return what `gate/static/texts.mjs` needs: translations by English text, and the plural form of each count.

    Empty for English. A text with plural forms has a list of them.
    """
    if not isinstance(translations, GNUTranslations):
        return {}
    # Python's gettext has no other way to list a catalogue.
    catalogue: dict[str | tuple[str, int], str] = vars(translations)["_catalog"]
    form_of: Callable[[int], int] = vars(translations)["plural"]
    texts: dict[str, str] = {}
    forms: dict[str, dict[int, str]] = defaultdict(dict)
    for key, translated in catalogue.items():
        message, form = (key, None) if isinstance(key, str) else key
        context, _separator, text = message.partition("\x04")
        if context == SCRIPT and form is None:
            texts[text] = translated
        elif context == SCRIPT and form is not None:
            forms[text][form] = translated
    in_order = {text: [by_form[form] for form in sorted(by_form)] for text, by_form in forms.items()}
    plurals = "".join(str(form_of(count)) for count in range(_COUNTS_WITH_FORMS))
    return {"texts": {**texts, **in_order}, "plurals": plurals}
