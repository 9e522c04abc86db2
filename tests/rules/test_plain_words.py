"""Texts for people are short sentences in the glossary's words: documents, OpenAPI, Postman, problems, and the help."""

import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.published_texts import api, helps

from premade.api_docs.openapi import openapi_document
from premade.api_docs.routes import problems_of

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
GLOSSARY = ROOT / "docs" / "glossary.md"
POSTMAN = ROOT / "postman" / "ota-premade-tickets.postman_collection.json"
WORDS_MAX = 25
AVOIDED = re.compile(
    r"\b(whoever|whatever|whichever|taken? back|gives? back|given back|lets? in|used up|to be had|mend(s|ed)?"
    r"|unless told|bit by bit)\b",
    re.IGNORECASE,
)


def blocks(markdown: str) -> Iterator[str]:
    """The paragraphs, list items and table cells, without code."""
    prose = re.sub(r"^```.*?^```", "", markdown, flags=re.MULTILINE | re.DOTALL)
    for block in re.split(r"\n\s*\n|\n(?=\s*(?:[-*#]|\d+\.) )|\n(?=\s*\|)|(?<= )\| ", prose):
        yield re.sub(r"`[^`]*`|\]\([^)]*\)", "X", block)


def sentences(text: str) -> Iterator[str]:
    for block in blocks(text):
        yield from re.split(r"(?<=[.!?:;])[\"”)*]*\s+", block)


def unplain(text: str) -> list[str]:
    """The sentences that are too long, or have a word that the glossary replaces."""
    return [
        sentence
        for sentence in sentences(text)
        if len(re.findall(r"\S*\w\S*", sentence)) > WORDS_MAX or AVOIDED.search(sentence)
    ]


def descriptions(
    part: Any, members: Collection[str] = frozenset({"description", "summary"})
) -> Iterator[str]:
    if isinstance(part, dict):
        for name, member in part.items():
            if name in members and isinstance(member, str):
                yield member
            else:
                yield from descriptions(member, members)
    elif isinstance(part, list):
        for member in part:
            yield from descriptions(member, members)


def test_a_long_sentence_and_an_avoided_word_are_found() -> None:
    assert unplain("Short. " + "word " * WORDS_MAX + "end. Short.")
    assert unplain("| a | The ticket is taken back. |")
    assert not unplain("word " * WORDS_MAX + ". `whoever` " + "word; " * WORDS_MAX)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_are_in_plain_words(document: Path) -> None:
    text = document.read_text()
    # The glossary's verbs stand beside the words that they replace.
    assert unplain(text.partition("## People")[2] if document == GLOSSARY else text) == []


def test_the_openapi_document_is_in_plain_words() -> None:
    texts = set(descriptions(openapi_document(api())))

    assert len(texts) > 100
    assert [wrong for text in texts for wrong in unplain(text)] == []


def test_the_postman_collection_is_in_plain_words() -> None:
    collection = POSTMAN.read_text()
    texts = set(descriptions(json.loads(collection), {"name", "description"}))
    texts |= set(re.findall(r'pm\.test\(\\"(.*?)\\"', collection))

    assert len(texts) > 400
    assert [wrong for text in texts for wrong in unplain(text)] == []


def test_problems_are_in_plain_words() -> None:
    texts = {text for _, *told in problems_of(api()).values() for text in told}

    assert len(texts) > 100
    assert [wrong for text in texts for wrong in unplain(text)] == []


def test_the_help_of_commands_is_in_plain_words() -> None:
    texts = set(helps().values())

    assert [name for name, text in helps().items() if not text] == []
    assert len(texts) > 40
    assert [wrong for text in texts for wrong in unplain(text)] == []
