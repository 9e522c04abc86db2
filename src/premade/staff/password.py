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

from premade.base.errors import Unavailable
from premade.staff.weak_password import weakness

Result = TypeVar("Result")
PASSWORD_CHARACTERS_MIN = 12
PASSWORD_CHARACTERS_MAX = 200
AT_ONCE_MAX = 1
"""In each process: a check takes 64 MiB, and a core for a tenth of a second."""
WAITING_MAX = 8
"""Checks that wait or are being made, in each process; the next is refused."""
WAITING_OF_KNOWN_MAX = 16
"""The same for browsers that signed in before: they still have room when strangers have none."""
NICENESS = 10
"""Of the thread that checks, and of argon2's own: sales go first where there are too few cores for both."""
PASSWORD_RULE = f"Must be {PASSWORD_CHARACTERS_MIN} to {PASSWORD_CHARACTERS_MAX} characters"

_hasher = PasswordHasher()
_waiting = 0


class SignInsBusy(Unavailable):
    """As many passwords are being checked as this process allows at once. This one was not looked at."""

    code = "SIGN_INS_BUSY"
    title = "Too many people are signing in"
    remedy = "Wait a moment, then try again."
    retry_after_seconds = 3


def _step_back() -> None:
    # On Linux a thread has a niceness of its own, and hands it on to those that it starts.
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


_threads = ThreadPoolExecutor(AT_ONCE_MAX, "password", _step_back)


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
    """As it is kept, in the form of the PHC. SignInsBusy."""
    return await _beside(lambda: _hasher.hash(password), WAITING_OF_KNOWN_MAX)


async def is_right(password: str, kept: str | None, *, is_known: bool = False) -> bool:
    """Whether it is the password of that digest. None, for a name that nobody has, takes as long and is never right.

    `is_known`: it comes from a browser that signed in before. SignInsBusy.
    """
    return await _beside(lambda: _is_right(password, kept), _room(is_known=is_known))


def require_room(*, is_known: bool) -> None:
    """SignInsBusy when a check would be refused now, so that nothing else is done for it either."""
    if _waiting >= _room(is_known=is_known):
        message = "As many passwords as this process allows at once are being checked."
        raise SignInsBusy(message)


def _room(*, is_known: bool) -> int:
    return WAITING_OF_KNOWN_MAX if is_known else WAITING_MAX


async def _beside(check: Callable[[], Result], waiting_max: int) -> Result:
    global _waiting  # noqa: PLW0603  (of the process, as the thread is)
    require_room(is_known=waiting_max == WAITING_OF_KNOWN_MAX)
    _waiting += 1
    try:
        return await asyncio.get_running_loop().run_in_executor(_threads, check)
    finally:
        _waiting -= 1


def _is_right(password: str, kept: str | None) -> bool:
    if kept is None or not password or len(password) > PASSWORD_CHARACTERS_MAX:
        # As much work as a check, so that the time does not tell which names there are.
        _hasher.hash("nobody's")
        return False
    try:
        return _hasher.verify(kept, password)
    except VerifyMismatchError:
        return False
