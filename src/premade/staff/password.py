"""Passwords: their rule, and their digest by argon2id."""

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from premade.staff.weak_password import weakness

PASSWORD_CHARACTERS_MIN = 12
PASSWORD_CHARACTERS_MAX = 200
AT_ONCE_MAX = 2
"""Each check takes 64 MiB and a core for a while; the sales of the same process go on beside it."""
PASSWORD_RULE = f"Must be {PASSWORD_CHARACTERS_MIN} to {PASSWORD_CHARACTERS_MAX} characters"

_hasher = PasswordHasher()
_at_once = asyncio.Semaphore(AT_ONCE_MAX)


async def why_refused(password: str, name: str) -> str | None:
    """Return why the member of that name may not have the password, or None.

    Its length counts, and how hard it is to guess (NIST SP 800-63B, 3.1.1.2). Rules about kinds of characters make
    worse ones.
    """
    if not PASSWORD_CHARACTERS_MIN <= len(password) <= PASSWORD_CHARACTERS_MAX:
        return PASSWORD_RULE
    if len(password.strip()) < PASSWORD_CHARACTERS_MIN:
        return f"{PASSWORD_RULE}, without the blanks around it"
    why = await asyncio.to_thread(weakness, password, name)
    return (
        why
        and f"Must be harder to guess: {why}. Several words that have nothing to do with each other are good."
    )


async def digest(password: str) -> str:
    """As it is kept, in the form of the PHC."""
    async with _at_once:
        return await asyncio.to_thread(_hasher.hash, password)


async def is_right(password: str, kept: str | None) -> bool:
    """Whether it is the password of that digest. None, for a name that nobody has, takes as long and is never right."""
    async with _at_once:
        return await asyncio.to_thread(_is_right, password, kept)


def _is_right(password: str, kept: str | None) -> bool:
    if kept is None or not password or len(password) > PASSWORD_CHARACTERS_MAX:
        # As much work as a check, so that the time does not tell which names there are.
        _hasher.hash("nobody's")
        return False
    try:
        return _hasher.verify(kept, password)
    except VerifyMismatchError:
        return False
