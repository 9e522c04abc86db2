"""Actors: who causes audit events, as the audit record names them."""

import os
import pwd
from contextlib import suppress

KEY = "key"
"""An API key: `key:12`."""
STAFF = "staff"
"""A member of staff: `staff:3`."""
COMMAND = "command"
"""The command `premade`: `command:mei`. Older events have this word alone."""
SERVICE = "service"
"""The service itself, in the background."""
CLOCK = "clock"
"""Nobody: an expiry time was reached."""
CONSOLE = "console"
"""Somebody at the console who is not signed in."""
WORDS = (COMMAND, SERVICE, CLOCK, CONSOLE)
"""The actors that are a word alone."""
_ROOT = 0
_USER_CHARACTERS_MAX = 64


def _system_user() -> str:
    """Return the name of the system user of this process, or its number if it has no name. Under sudo, the calling user.

    SUDO_USER is used only if the process runs as root, who could act as anybody anyway.
    """
    user_id = os.getuid()
    if user_id == _ROOT and (caller := os.environ.get("SUDO_USER")):
        with suppress(KeyError, ValueError):
            return pwd.getpwnam(caller).pw_name
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return str(user_id)


COMMAND_ACTOR = f"{COMMAND}:{_system_user()[:_USER_CHARACTERS_MAX]}"
"""The actor of this process as a command: `command:mei`."""


def key_actor(key_id: int) -> str:
    """Return the actor of an API key."""
    return f"{KEY}:{key_id}"


def staff_actor(staff_id: int) -> str:
    """Return the actor of a member of staff."""
    return f"{STAFF}:{staff_id}"
