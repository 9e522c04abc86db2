"""E-mail addresses as people write them."""

import re
from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import unquote

from premade.values.texts import cleaned

_CHARACTERS_MAX = 500
_MAILTO = "mailto:"
_IN_ANGLES = re.compile(r"<([^<>]+)>\s*$")


def readings_of_email(text: str) -> Iterator[str]:
    """Yield an e-mail address from any spelling: `mailto:`, `Ann <ann@example.com>`, a domain in capitals or punycode.

    The first reading is the normalized one. The second is as typed, for orders of older versions, which normalized less.
    Orders are compared with them without case. There is none if the text is no address.
    """
    from premade.activation.customer import email  # noqa: PLC0415  (its libraries are large, and few commands need it)

    text = cleaned(text)
    if "@" not in text or len(text) > _CHARACTERS_MAX or "\0" in text:
        return
    if text.lower().startswith(_MAILTO):
        text = unquote(text[len(_MAILTO) :].partition("?")[0])
        if "\0" in text:
            return
    if match := _IN_ANGLES.search(text):
        text = match[1]
    with suppress(ValueError):
        yield email(text)
    yield cleaned(text)
