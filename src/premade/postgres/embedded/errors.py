"""Why the embedded database cannot be used, in words that say what to do."""

import contextlib
import os
import pwd
import subprocess
from collections.abc import Generator
from pathlib import Path


class EmbeddedPostgresError(Exception):
    """The embedded database cannot be used; the message says what happened and what to do."""


@contextlib.contextmanager
def os_errors_explained(folder: Path) -> Generator[None]:
    """Turn an error of the operating system into an EmbeddedPostgresError."""
    try:
        yield
    except PermissionError as error:
        place = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else folder
        message = (
            f"User {user_name(os.geteuid())} may not use {place}, which belongs to user {_owner_of(place)}: "
            "run as that user, choose another folder, or set DATABASE_URL."
        )
        raise EmbeddedPostgresError(message) from error
    except subprocess.TimeoutExpired as error:
        message = (
            f"{Path(error.cmd[0]).name} was not done after {error.timeout:.0f} s: is the machine overloaded?"
        )
        raise EmbeddedPostgresError(message) from error
    except OSError as error:
        message = (
            f"The database in {folder} cannot be used: {error}. Choose another folder or set DATABASE_URL."
        )
        raise EmbeddedPostgresError(message) from error


def user_name(uid: int) -> str:
    """Return the name of the account, or its number if it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _owner_of(place: Path) -> str:
    """Return the owner of the path, or of the nearest folder above it that can be seen."""
    for seen in (place, *place.parents):
        with contextlib.suppress(OSError):
            return user_name(seen.lstat().st_uid)
    return "somebody else"
