"""Passwords that are too easy to guess, by zxcvbn's estimate: common ones, names, repeats, sequences."""

import re
import threading
import unicodedata
from collections.abc import Iterator
from typing import Any

from premade.texts.fields import field_text
from premade.values.texts import without_invisible

GUESSES_MIN = 10**8
"""A password that needs fewer guesses is refused. Beyond this, limited sign-in attempts are enough (score 3 of 4)."""
ESTIMATED_CHARACTERS_MAX = 72
"""Longer passwords are estimated by their beginning: the estimate takes longer with length."""
DIFFERENT_CHARACTERS_MIN = 5
_PRODUCT = "premade"
_PARTS = re.compile(r"[^\W_]+")
_PART_CHARACTERS_MIN = 3
_OWN_TEXT = {"user_inputs", "passwords"}
"""Dictionaries of zxcvbn with a text of their own. The others have common words and names."""
# zxcvbn keeps the names of a call in a module variable.
_one_at_a_time = threading.Lock()


def weakness(password: str, *names: str) -> str | None:
    """Return why the password is too easy to guess, or None. `names`: of its owner and the product.

    Blanks around it, case, width and characters between letters make no difference.
    """
    if len(set(password.casefold())) < DIFFERENT_CHARACTERS_MIN:
        return field_text("staff.weak_bruteforce")
    words = sorted({word for name in (*names, _PRODUCT) for word in _words_of(name)})
    for variant in dict.fromkeys(_variants(password)):
        if why := _why(variant[:ESTIMATED_CHARACTERS_MAX], words):
            return why
    return None


def _variants(password: str) -> Iterator[str]:
    plain = without_invisible(unicodedata.normalize("NFKC", password)).strip()
    yield plain or password
    folded = plain.casefold()
    yield folded or password
    bare = "".join(_PARTS.findall(folded))
    yield bare or folded or password


def _words_of(name: str) -> Iterator[str]:
    folded = unicodedata.normalize("NFKC", name).casefold()
    parts = _PARTS.findall(folded)
    yield from (word for word in (folded, "".join(parts), *parts) if len(word) >= _PART_CHARACTERS_MIN)


def _why(password: str, words: list[str]) -> str | None:
    # Imported only when a password is set: it takes 15 MB and a quarter of a second.
    from zxcvbn import zxcvbn  # noqa: PLC0415  # pyright: ignore[reportMissingTypeStubs, reportUnknownVariableType]

    with _one_at_a_time:
        estimate: Any = zxcvbn(password, words, max_length=ESTIMATED_CHARACTERS_MAX)
    if estimate["guesses"] >= GUESSES_MIN:
        return None
    matches = [match for match in estimate["sequence"] if match["pattern"] != "bruteforce"]
    longest = max(matches, key=lambda match: len(match["token"]), default={"pattern": "bruteforce"})
    if longest["pattern"] != "dictionary":
        return field_text(f"staff.weak_{longest['pattern']}")
    dictionary = longest["dictionary_name"]
    return field_text(f"staff.weak_{dictionary if dictionary in _OWN_TEXT else 'word'}")
