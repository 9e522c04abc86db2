"""docs/security.md has all points of its two lists, and each test that it names exists."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
DOCUMENT = (TESTS.parent / "docs/security.md").read_text()
NAMED = re.compile(r"`tests/([\w/]+\.py)(?:::(\w+))?`")
ASVS_CHAPTERS = 14


def rows() -> list[list[str]]:
    lines = [line for line in DOCUMENT.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def points() -> dict[str, list[str]]:
    return {row[0]: row[1:] for row in rows() if re.match(r"(?:API|V)\d", row[0])}


def test_each_point_of_the_lists_is_there() -> None:
    names = " ".join(points())

    assert [number for number in range(1, 11) if f"API{number} " not in names] == []
    assert [number for number in range(1, ASVS_CHAPTERS + 1) if not re.search(rf"\bV{number}\b", names)] == []


def test_each_point_has_a_test_or_says_that_it_is_not_met() -> None:
    for name, [text, shown_by] in points().items():
        assert NAMED.search(shown_by) or "**Not met" in text, name


def test_each_named_test_exists() -> None:
    named = {found for _, shown_by in points().values() for found in NAMED.findall(shown_by)}

    assert len(named) > 40
    for file, test in sorted(named):
        source = (TESTS / file).read_text()
        assert not test or re.search(rf"^(?:async )?def {test}\(", source, re.MULTILINE), f"{file}::{test}"
