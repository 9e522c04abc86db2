"""Customer data inside other text: some partners put a name or an e-mail address into their payment references."""

import string

_WITHOUT_SEPARATORS = str.maketrans("", "", string.punctuation + string.whitespace)
_AS_BLANKS = str.maketrans(dict.fromkeys(string.punctuation, " "))
_LETTERS_MIN = 6
"""Shorter names are only found as whole words: their letters can be in any text."""


def names_customer(text: str, *, name: str, email: str, phone: str) -> bool:
    """Return whether the text contains the customer's name, e-mail address or phone number.

    Case and separators make no difference: `JOHN_SMITH-7` names John Smith.
    """
    joined = _joined(text)
    return _joined(email) in joined or phone.removeprefix("+") in joined or _has_name(text, joined, name)


def _has_name(text: str, joined: str, name: str) -> bool:
    letters = _joined(name)
    if letters not in joined:
        return False
    if len(letters) >= _LETTERS_MIN or not letters.isascii():
        return bool(letters)
    words, parts = _words(text), _words(name)
    return len(parts) > 1 and any(words[start : start + len(parts)] == parts for start in range(len(words)))


def _joined(text: str) -> str:
    return text.casefold().translate(_WITHOUT_SEPARATORS)


def _words(text: str) -> list[str]:
    return text.casefold().translate(_AS_BLANKS).split()
