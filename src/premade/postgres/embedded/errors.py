"""The error of an embedded database that cannot be used, and its translation from errors of the operating system."""

import contextlib
import os
import pwd
import subprocess
from collections.abc import Generator
from pathlib import Path

from premade.runtime.errors import CommandError


class EmbeddedPostgresError(CommandError):
    """The embedded database cannot be used."""


@contextlib.contextmanager
def os_errors_explained(folder: Path) -> Generator[None]:
    """Turn an error of the operating system into an EmbeddedPostgresError."""
    try:
        yield
    except PermissionError as error:
        place = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else folder
        raise EmbeddedPostgresError(
            "embedded_not_allowed", user=user_name(os.geteuid()), path=place, owner=_owner_of(place)
        ) from error
    except subprocess.TimeoutExpired as error:
        raise EmbeddedPostgresError(
            "embedded_program_slow", program=Path(error.cmd[0]).name, seconds=error.timeout
        ) from error
    except OSError as error:
        raise EmbeddedPostgresError("embedded_unusable", folder=folder, why=error) from error


def user_name(uid: int) -> str:
    """Return the name of the account, or its number if it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _owner_of(place: Path) -> str:
    """Return the owner of the path, or of the nearest folder above it that can be seen."""
    for path in (place, *place.parents):
        with contextlib.suppress(OSError):
            return user_name(path.lstat().st_uid)
    return "somebody else"
