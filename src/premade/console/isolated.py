"""Names on pages: one in Arabic or Hebrew must not reorder the words, numbers and links beside it."""

from markupsafe import Markup, escape

from premade.base.texts import turns_direction


def isolated(text: object) -> Markup:
    """Return a text for a page, with `<bdi>` around it where it changes the reading direction (UAX 9)."""
    told = escape(text)
    return Markup("<bdi>{}</bdi>").format(told) if turns_direction(str(text)) else told
