"""The texts that only commands print: errors, progress and results, read from `commands.toml`."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources


@cache
def command_texts() -> Mapping[str, Mapping[str, str]]:
    """Return all templates, by the code of the error and its reason."""
    return tomllib.loads((resources.files("premade.texts") / "commands.toml").read_text("utf-8"))


def command_text(code: str, reason: str, **values: object) -> str:
    """Return what happened and what to do. `values`: those in the braces of the template."""
    return command_texts()[code][reason].format_map(values)
