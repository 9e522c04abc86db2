"""Passwords: their rule, and their digest by argon2id."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from premade.runtime.errors import Unavailable
from premade.staff.weak_password import weakness
from premade.texts.fields import field_text

Result = TypeVar("Result")
PASSWORD_CHARACTERS_MIN = 12
PASSWORD_CHARACTERS_MAX = 200
AT_ONCE_MAX = 1
"""Password checks at once in a process: a check takes 64 MiB, and a core for a tenth of a second."""
WAITING_MAX = 8
"""Maximum number of checks that wait or run in a process; the next one is refused."""
WAITING_OF_KNOWN_MAX = 16
"""The same for browsers that signed in before: they still have room when others have none."""
NICENESS = 10
"""Niceness of the checking thread and of argon2's own threads: sales go first if cores are scarce."""

_hasher = PasswordHasher()
_waiting = 0


class SignInsBusy(Unavailable):
    """Too many passwords are being checked at the same time."""

    code = "SIGN_INS_BUSY"
    retry_after_seconds = 3


def _step_back() -> None:
    # On Linux each thread has its own niceness, and the threads that it starts inherit it.
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


_threads = ThreadPoolExecutor(AT_ONCE_MAX, "password", _step_back)


async def why_refused(password: str, name: str) -> str | None:
    """Return why the member of that name may not have the password, or None.

    The rules are its length and how hard it is to guess (NIST SP 800-63B, 3.1.1.2). Rules about kinds of characters lead
    to worse passwords.
    """
    if not PASSWORD_CHARACTERS_MIN <= len(password) <= PASSWORD_CHARACTERS_MAX:
        return field_text(
            "staff.password_length", least=PASSWORD_CHARACTERS_MIN, most=PASSWORD_CHARACTERS_MAX
        )
    if len(password.strip()) < PASSWORD_CHARACTERS_MIN:
        return field_text(
            "staff.password_blanks", least=PASSWORD_CHARACTERS_MIN, most=PASSWORD_CHARACTERS_MAX
        )
    return await asyncio.to_thread(weakness, password, name)


async def digest(password: str) -> str:
    """Return the password as it is stored: an argon2 digest in PHC string format. Raises SignInsBusy."""
    return await _in_thread(lambda: _hasher.hash(password), WAITING_OF_KNOWN_MAX)


async def is_right(password: str, stored: str | None, *, is_known: bool = False) -> bool:
    """Return whether the password matches the digest. The digest None (unknown name) takes as long and never matches.

    `is_known`: it comes from a browser that signed in before.

    Raises:
        SignInsBusy: too many passwords are being checked.
    """
    return await _in_thread(lambda: _is_right(password, stored), _room(is_known=is_known))


def require_room(*, is_known: bool) -> None:
    """Raise SignInsBusy if a check would be refused now, before anything else is done for it."""
    if _waiting >= _room(is_known=is_known):
        raise SignInsBusy


def _room(*, is_known: bool) -> int:
    return WAITING_OF_KNOWN_MAX if is_known else WAITING_MAX


async def _in_thread(check: Callable[[], Result], waiting_max: int) -> Result:
    global _waiting  # noqa: PLW0603  (one count for the process, as the thread)
    require_room(is_known=waiting_max == WAITING_OF_KNOWN_MAX)
    _waiting += 1
    try:
        return await asyncio.get_running_loop().run_in_executor(_threads, check)
    finally:
        _waiting -= 1


def _is_right(password: str, stored: str | None) -> bool:
    if stored is None or not password or len(password) > PASSWORD_CHARACTERS_MAX:
        # As much work as a check, so that the response time does not reveal which names exist.
        _hasher.hash("nobody's")
        return False
    try:
        return _hasher.verify(stored, password)
    except VerifyMismatchError:
        return False
