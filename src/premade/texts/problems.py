"""The texts of problems, read from `problems.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True)
class ProblemText:
    """What people read about one problem, each time it occurs."""

    title: str
    """What happened, in a few words."""
    cause: str
    """What happened and why, for the API document."""
    remedy: str
    """What the reader can do."""
    detail: str | Mapping[str, str]
    """What happened this time: a template, or several by the reason."""

    def detail_of(self, reason: str) -> str:
        """Return the template for this reason."""
        return self.detail if isinstance(self.detail, str) else self.detail[reason]


@cache
def problem_texts() -> Mapping[str, ProblemText]:
    """Return the texts of all problems, by code."""
    listed = tomllib.loads((resources.files("premade.texts") / "problems.toml").read_text("utf-8"))
    return {code: ProblemText(**texts) for code, texts in listed.items()}
