"""The product's own message for each kind of validation error that pydantic knows. Pure."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from pydantic_core import ErrorDetails

from premade.texts.fields import field_text, field_texts

_KINDS_WITH_OWN_MESSAGE = frozenset({"value_error", "assertion_error"})
"""Errors that the product's own rules raise."""
_PATTERNS: dict[str, Callable[[], str]] = {}


def pattern_in_words(pattern: str, key: str, **values: object) -> str:
    """Register the message for texts that do not match this regular expression, and return the expression.

    `key` and `values`: those of `field_text`.
    """
    _PATTERNS[pattern] = partial(field_text, key, **values)
    return pattern


def in_words(error: ErrorDetails) -> str:
    """Return the message of an error: what is wrong, and what would be right."""
    kind, context = error["type"], error.get("ctx", {})
    if kind in _KINDS_WITH_OWN_MESSAGE and "error" in context:
        return str(context["error"])
    if kind == "string_pattern_mismatch" and context.get("pattern") in _PATTERNS:
        return _PATTERNS[context["pattern"]]()
    key = f"validation.{kind}"
    return field_text(key if key in field_texts() else "validation.other", **_as_shown(context))


def _as_shown(context: Mapping[str, Any]) -> dict[str, Any]:
    return {name: f"{value:,}" if type(value) is int else value for name, value in context.items()}
