"""Each language has every text, and each translation has the placeholders of its text."""

import io
import re
from collections.abc import Iterator

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po
from catalogue import as_po, catalogue, forms, missing, translations

from premade.texts.languages import LANGUAGES, RANGES
from premade.texts.translation import ENGLISH

PLACEHOLDER = re.compile(r"%\((\w+)\)[srd]|\{\{ ?([\w.]+)|\{(\w[\w.]*)")
MARKUP = re.compile(r"</?[a-z]+[^>]*>")
CATALOGUES = translations()
EVERYTHING = catalogue()


def _named(catalogues: dict[str, Catalog]) -> list[object]:
    return [pytest.param(texts, id=name) for name, texts in catalogues.items()]


each_language = pytest.mark.parametrize(
    "texts", _named({file.parts[-3]: texts for file, texts in CATALOGUES.items()})
)


def placeholders(text: str) -> set[str]:
    return {next(filter(None, each.groups())) for each in PLACEHOLDER.finditer(text)}


def translated(texts: Catalog) -> Iterator[tuple[Message, str, str]]:
    """Each translation, with its text in English."""
    for message in texts:
        if message.id:
            text = message.id[-1] if isinstance(message.id, tuple) else str(message.id)
            for form in forms(message):
                yield message, text, form


def test_each_language_has_a_catalogue_and_each_catalogue_a_language() -> None:
    folders = {str(file.parts[-3]).replace("_", "-") for file in CATALOGUES}
    assert folders == {language.tag for language in LANGUAGES if language != ENGLISH}
    assert set(RANGES.values()) == set(LANGUAGES)


@each_language
def test_no_text_lacks_its_translation(texts: Catalog) -> None:
    texts.update(EVERYTHING, no_fuzzy_matching=True)
    assert missing(texts) == [], "Write its translations: docs/languages.md"


@each_language
def test_a_translation_has_the_placeholders_and_the_markup_of_its_text(texts: Catalog) -> None:
    wrong = {
        form: text
        for _, text, form in translated(texts)
        if placeholders(form) != placeholders(text) or MARKUP.findall(form) != MARKUP.findall(text)
    }
    assert wrong == {}


@each_language
def test_a_translation_ends_as_its_text_does(texts: Catalog) -> None:
    ends = {".": "。", ":": "：", "?": "？"}
    wrong = {
        form: text
        for _, text, form in translated(texts)
        if (text[-1] in ends or form[-1] in ends.values())
        and form[-1] not in {text[-1], ends.get(text[-1])}
        and not text.endswith("...")
    }
    assert wrong == {}


def test_the_files_are_as_the_tool_writes_them() -> None:
    """A file in the form of the tool changes with its texts only."""
    for file in CATALOGUES:
        read = read_po(io.BytesIO(file.read_bytes()), locale=file.parts[-3])
        assert file.read_text() == as_po(read, EVERYTHING), "Write it with: make messages"


def test_the_tool_leaves_the_translation_of_a_changed_text_empty() -> None:
    template, texts = Catalog(), Catalog(locale="zh_Hant")
    template.add("Not one ticket is left")
    texts.add("No ticket is left", "沒有門票")
    texts = read_po(io.BytesIO(as_po(texts, template).encode()), locale="zh_Hant")
    assert missing(texts) == ["Not one ticket is left"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("%(num)s of {total:,}", {"num", "total"}),
        ("{{ found.figure | number }} {last.local:%H:%M}", {"found.figure", "last.local"}),
        ("{name!r} 100 %%", {"name"}),
    ],
)
def test_the_placeholders_of_a_text(text: str, names: set[str]) -> None:
    assert placeholders(text) == names
