"""Text from people and clients: one spelling for what looks the same, and nothing invisible is kept."""

import re
import unicodedata
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from premade.console.isolated import isolated
from premade.values.texts import cleaned, composed, folded, odd_character, one_line, reference
from premade.values.texts import isolated as isolated_in_plain_text

LENGTH_MAX = 200


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("  John Smith\u3000", "John Smith"),
        ("Jose\u0301", "Jos\u00e9"),
        ("\ufeffJohn\u200b \u200b", "John"),
        ("Jo\u200chn", "John"),
        ("Jo\u00adhn\u034f", "John"),
        ("\u200fJohn\u200e", "John"),
        ("\u5c71\u7530\u3000\u592a\u90ce", "\u5c71\u7530\u3000\u592a\u90ce"),
        ("a\u00a0b", "a\u00a0b"),
        # Joiners and variation selectors stay where they change the picture: Persian, Hindi, emoji, Japanese.
        ("\u0639\u0644\u06cc\u200c\u0631\u0636\u0627\u200c", "\u0639\u0644\u06cc\u200c\u0631\u0636\u0627"),
        ("\u0915\u094d\u200d\u0937", "\u0915\u094d\u200d\u0937"),
        ("\u2764\ufe0f\u200d\U0001f525", "\u2764\ufe0f\u200d\U0001f525"),
        ("\u845b\U000e0100\u98fe", "\u845b\U000e0100\u98fe"),
    ],
)
def test_a_name_is_kept_as_people_see_it(sent: str, kept: str) -> None:
    assert one_line(sent, LENGTH_MAX) == kept


@pytest.mark.parametrize(
    "sent",
    ["", " ", "\u3000", "\u200b", "\u2800", "\u3164", "\u115f", "\uffa0", "\u00ad", "\u034f", "\ufe0f", "\U000e0041",
     "\u200d\u200c", "\u202e\u202c", "\u2060\ufeff", "\u180e", " \u3164 \u200b", "\U0001d159", "x" * 201],
)  # fmt: skip
def test_what_shows_nothing_or_too_much_is_no_name(sent: str) -> None:
    with pytest.raises(ValueError, match="Must be 1 to 200 characters"):
        one_line(sent, LENGTH_MAX)


@pytest.mark.parametrize(
    ("sent", "named"),
    [
        ("John\u202eSmith", "RIGHT-TO-LEFT OVERRIDE (U+202E), its character 5"),
        ("\u202aJohn\u202c", "LEFT-TO-RIGHT EMBEDDING (U+202A), its character 1"),
        (" \u2067John", "RIGHT-TO-LEFT ISOLATE (U+2067), its character 2"),
        ("John\u3164", "HANGUL FILLER (U+3164), its character 5"),
        ("Jo\u2800hn", "BRAILLE PATTERN BLANK (U+2800), its character 3"),
        ("John\U000e0041", "TAG LATIN CAPITAL LETTER A (U+E0041), its character 5"),
        ("John\nSmith", "LINE FEED (U+000A), its character 5"),
        ("Jo\x07hn", "CONTROL CHARACTER (U+0007), its character 3"),
        ("John\u2028Smith", "LINE SEPARATOR (U+2028), its character 5"),
        ("John\uffff", "CHARACTER WITHOUT A NAME (U+FFFF), its character 5"),
    ],
)
def test_a_character_that_deceives_is_refused_by_its_name_and_place(sent: str, named: str) -> None:
    for kind in (one_line, reference):
        with pytest.raises(ValueError, match=re.escape(f"Must not contain {named}")):
            kind(sent, LENGTH_MAX)


@given(st.text(max_size=30))
def test_what_is_kept_is_kept_again_as_it_is(text: str) -> None:
    for kind in (one_line, reference):
        try:
            kept = kind(text, LENGTH_MAX)
        except ValueError:
            continue
        assert kind(kept, LENGTH_MAX) == kept
        assert kept == unicodedata.normalize("NFC", kept).strip()
        assert kind(unicodedata.normalize("NFD", text), LENGTH_MAX) == kept
    assert cleaned(cleaned(text)) == cleaned(text)


@pytest.mark.parametrize(
    "name",
    ["acme tours", " ACME\u00a0Tours ", "Acme  Tours", "\uff21\uff23\uff2d\uff25 Tours", "Ac\u200bme Tours", "AcmeTours",
        ],
)  # fmt: skip
def test_names_that_people_mistake_for_each_other_fold_to_one(name: str) -> None:
    assert folded(name) == folded("Acme Tours")


def test_other_names_do_not() -> None:
    assert folded("Acme Tour") != folded("Acme Tours")
    assert folded("Stra\u00dfe") == folded("STRASSE")
    assert folded("\u00c9cole") == folded("e\u0301cole")


def test_what_is_typed_is_cleaned_and_never_refused() -> None:
    assert cleaned("\u202a B-1\u202c\u200b\n") == "B-1"
    assert cleaned("a\tb\u00a0c\x07") == "a b c\x07"


def test_an_odd_character_of_an_id_is_named() -> None:
    allowed = re.compile("[A-Z-]")
    assert odd_character("AB\u200b", allowed) == (3, "ZERO WIDTH SPACE (U+200B)")
    assert odd_character("AB C", allowed) is None


def test_json_is_composed_in_names_and_values() -> None:
    assert composed({"e\u0301": ["e\u0301", 1, None]}) == {"\u00e9": ["\u00e9", 1, None]}


def test_a_name_that_turns_the_direction_is_isolated_on_pages_and_in_tables() -> None:
    arabic = "\u0639\u0644\u064a"

    assert isolated(f"{arabic} <1>") == f"<bdi>{arabic} &lt;1&gt;</bdi>"
    assert isolated("John\u202eSmith") == "<bdi>John\u202eSmith</bdi>"
    assert isolated("Jos\u00e9 & Co") == "Jos\u00e9 &amp; Co"
    assert isolated_in_plain_text(arabic) == f"\u2068{arabic}\u2069"
    assert isolated_in_plain_text("Ann") == "Ann"


def test_templates_isolate_the_names_that_they_show() -> None:
    """Each name outside of tags, options and titles goes through the filter."""
    shown = re.compile(
        r">[^<]*\{\{ (?:order|each|partner|product|ticket|whose|hold)\.(?:customer_name|name|partner|product) \}\}"
    )
    bare = []
    for template in Path(str(resources.files("premade.console"))).rglob("*.html"):
        for line in template.read_text().splitlines():
            if "<option" not in line and "block title" not in line and "<script" not in line:
                bare += [(template.name, found[0]) for found in shown.finditer(line)]
    assert bare == []
