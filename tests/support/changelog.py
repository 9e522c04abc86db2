"""The version in pyproject.toml, and the sections of CHANGELOG.md."""

import re
import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
UNRELEASED = "Unreleased"
_SECTION = re.compile(
    r"^## \[(?P<version>[^\]]+)\](?: - (?P<day>\d{4}-\d\d-\d\d))?\n(?P<text>.*?)(?=^## \[|\Z)",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Section:
    """The changes of one version. `day`: of its release, None for those that are not released."""

    version: str
    day: date | None
    text: str


def version_of(tree: Path = REPOSITORY) -> str:
    """Return the version of the tree. On the way to 0.2.0 it is `0.2.0.dev0`."""
    return tomllib.loads((tree / "pyproject.toml").read_text())["project"]["version"]


def sections_of(tree: Path = REPOSITORY) -> list[Section]:
    """Return the sections of the changes, newest first."""
    return [
        Section(
            found["version"],
            date.fromisoformat(found["day"]) if found["day"] else None,
            found["text"].strip(),
        )
        for found in _SECTION.finditer((tree / "CHANGELOG.md").read_text())
    ]


def last_version(tree: Path = REPOSITORY) -> str:
    """Return the newest release before the version of the tree."""
    return next(version for version in released_versions(tree) if version != version_of(tree))


def released_versions(tree: Path = REPOSITORY) -> list[str]:
    """Return the released versions, newest first."""
    return [section.version for section in sections_of(tree) if section.day is not None]
