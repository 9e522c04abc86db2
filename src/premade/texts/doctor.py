"""The texts of `premade doctor`, read from `doctor.toml`."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True)
class DoctorText:
    """Templates of one result of a check."""

    mark: str
    text: str
    remedy: str | None = None


@cache
def doctor_texts() -> Mapping[str, Mapping[str, DoctorText]]:
    """Return all templates, by the name of the check and the reason of its result."""
    listed = tomllib.loads((resources.files("premade.texts") / "doctor.toml").read_text("utf-8"))
    return {
        check: {reason: DoctorText(**templates) for reason, templates in results.items()}
        for check, results in listed.items()
    }
