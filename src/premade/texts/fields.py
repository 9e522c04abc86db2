"""The texts about single wrong fields, read from `fields.toml`."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources

from premade.texts.translation import translate


@cache
def field_texts() -> Mapping[str, str]:
    """Return all templates, by key: `text.length`."""
    tables = tomllib.loads((resources.files("premade.texts") / "fields.toml").read_text("utf-8"))
    return {f"{table}.{name}": text for table, texts in tables.items() for name, text in texts.items()}


def field_text(key: str, **values: object) -> str:
    """Return what is wrong with a field. `values`: those in the braces of the template."""
    return translate(field_texts()[key]).format_map(values)
