"""The version stands in one place, pyproject.toml; everything else reads it."""

from support.changelog import UNRELEASED, released_versions, sections_of, version_of
from support.shop import Shop
from support.terminal import Operator

from premade.postgres.removals import numbers_of

VERSION = version_of()


def test_the_command_prints_it(dsn: str) -> None:
    assert Operator(dsn).shows("--version") == f"premade {VERSION}\n"


def test_the_api_names_it(shop: Shop) -> None:
    assert shop.client().get("/openapi.json").json()["info"]["version"] == VERSION


def test_it_is_the_newest_release_or_on_the_way_to_the_next() -> None:
    unreleased, *released = sections_of()
    last = released_versions()[0]

    assert (unreleased.version, unreleased.day) == (UNRELEASED, None)
    assert [section.version for section in released] == released_versions(), "each release has its day"
    assert not unreleased.text if last == VERSION else VERSION.endswith(".dev0")
    assert last == VERSION or numbers_of(VERSION) > numbers_of(last)
