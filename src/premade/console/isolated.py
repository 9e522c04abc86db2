"""Isolate names on pages: an Arabic or Hebrew name must not reorder the text beside it."""

from markupsafe import Markup, escape

from premade.values.texts import turns_direction


def isolated(text: object) -> Markup:
    """Return a text for a page, inside `<bdi>` if it changes the reading direction (UAX 9)."""
    escaped = escape(text)
    return Markup("<bdi>{}</bdi>").format(escaped) if turns_direction(str(text)) else escaped
