"""The version stands in one place, pyproject.toml; everything else reads it."""

import re
import tomllib
from pathlib import Path

from support.shop import Shop
from support.terminal import Operator

REPOSITORY = Path(__file__).parents[2]
VERSION = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]


def test_the_command_prints_it(dsn: str) -> None:
    assert Operator(dsn).shows("--version") == f"premade {VERSION}\n"


def test_the_api_names_it(shop: Shop) -> None:
    assert shop.client().get("/openapi.json").json()["info"]["version"] == VERSION


def test_the_newest_released_section_of_the_changes_is_of_it() -> None:
    released = re.findall(
        r"(?m)^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$", (REPOSITORY / "CHANGELOG.md").read_text()
    )

    assert released[0] == VERSION
