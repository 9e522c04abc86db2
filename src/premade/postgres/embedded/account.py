"""The account that the server runs as, because PostgreSQL refuses to run as root."""

import contextlib
import os
import pwd
from pathlib import Path

from premade.postgres.embedded.access_lists import READ, SEARCH, grant
from premade.postgres.embedded.errors import EmbeddedPostgresError, user_name
from premade.postgres.embedded.layout import Layout
from premade.postgres.embedded.programs import WHEEL, binaries, run

ACCOUNTS_INSTEAD_OF_ROOT = ("premade", "postgres", "nobody")
"""The first of these accounts that exists runs the server of root."""


def server_account(layout: Layout) -> pwd.struct_passwd | None:
    """Return the account that the server has to run as, None for the calling user.

    Raises:
        EmbeddedPostgresError: there is no such account, or the data directory's owner cannot run the server.
    """
    if os.geteuid() != 0:
        return None
    cluster = layout.cluster
    if not cluster.exists():
        for name in ACCOUNTS_INSTEAD_OF_ROOT:
            with contextlib.suppress(KeyError):
                return pwd.getpwnam(name)
        message = (
            "PostgreSQL does not run as root, and there is no account to run it instead: create "
            f"{' or '.join(ACCOUNTS_INSTEAD_OF_ROOT)}, run as an ordinary user, or set DATABASE_URL."
        )
        raise EmbeddedPostgresError(message)
    owner = cluster.stat().st_uid
    if owner == 0:
        message = (
            f"{cluster} belongs to root, but PostgreSQL does not run as root: give it to another (chown -R)."
        )
        raise EmbeddedPostgresError(message)
    if owner == layout.folder.stat().st_uid:
        message = f"{cluster} belongs to user {user_name(owner)}: run as that user or choose another folder."
        raise EmbeddedPostgresError(message)
    try:
        return pwd.getpwuid(owner)
    except KeyError:
        message = (
            f"{cluster} belongs to user id {owner}, which has no account: give it to one that has (chown -R)."
        )
        raise EmbeddedPostgresError(message) from None


def let_pass(account: pwd.struct_passwd, folder: Path) -> None:
    """Let the account, and nobody else, reach the folder through closed folders above it."""
    if _may(account, "-x", folder):
        return
    for step in (*reversed(folder.parents), folder):
        if not _may(account, "-x", step):
            grant(step, account.pw_uid, SEARCH)


def let_use_binaries(account: pwd.struct_passwd) -> None:
    """Let the account run the installed PostgreSQL, also if it was installed under a strict umask."""
    programs = binaries()
    let_pass(account, programs)
    installed = programs.parent
    libraries = installed.parent.parent / f"{WHEEL}.libs"
    if _may(account, "-r", installed / "share" / "postgresql" / "postgres.bki") and (
        not libraries.exists() or _may(account, "-x", libraries)
    ):
        return
    for top in (installed, libraries):
        for path in (top, *top.rglob("*")):
            executable = path.stat().st_mode & 0o100 != 0
            grant(path, account.pw_uid, READ | (SEARCH if executable else 0))


def _may(account: pwd.struct_passwd, access: str, path: Path) -> bool:
    """Ask the kernel, as the account, whether it has this access (an option of `test`)."""
    try:
        run(["/bin/sh", "-c", f'test {access} "$1"', "sh", path], account)
    except EmbeddedPostgresError:
        return False
    return True
