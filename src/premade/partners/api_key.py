"""The form of an API key: `pm_<live|test>_<prefix>_<secret>`. It is shown once and stored as a digest. Pure."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass

_PREFIX_CHARACTERS = 10
_SECRET_CHARACTERS = 40
# 32 characters that are hard to confuse. 5 bits of a random byte choose one, without bias.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789Z"
_FORM = re.compile(
    rf"pm_(?:live|test)_([{_ALPHABET}]{{{_PREFIX_CHARACTERS}}})_[{_ALPHABET}]{{{_SECRET_CHARACTERS}}}"
)


@dataclass(frozen=True)
class ApiKey:
    """A key in plain text. It exists in memory only, while it is created or checked."""

    text: str
    prefix: str

    @property
    def digest(self) -> bytes:
        """Return the SHA-256. The secret has 200 random bits, so it needs no slow hash against guessing."""
        return hashlib.sha256(self.text.encode()).digest()

    def __repr__(self) -> str:
        return f"ApiKey(prefix={self.prefix!r})"


def mint(*, is_test: bool, random_bytes: Callable[[int], bytes]) -> ApiKey:
    """Return a new random key."""
    letters = "".join(_ALPHABET[byte & 31] for byte in random_bytes(_PREFIX_CHARACTERS + _SECRET_CHARACTERS))
    prefix, secret = letters[:_PREFIX_CHARACTERS], letters[_PREFIX_CHARACTERS:]
    return ApiKey(f"pm_{'test' if is_test else 'live'}_{prefix}_{secret}", prefix)


def parse(text: str) -> ApiKey | None:
    """Return the key that the text says, or None if it does not have the form of a key."""
    match = _FORM.fullmatch(text)
    return ApiKey(text, match[1]) if match else None
