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
        raise EmbeddedPostgresError("embedded_no_account", accounts=" or ".join(ACCOUNTS_INSTEAD_OF_ROOT))
    owner = cluster.stat().st_uid
    if owner == 0:
        raise EmbeddedPostgresError("embedded_of_root", folder=cluster)
    if owner == layout.folder.stat().st_uid:
        raise EmbeddedPostgresError("embedded_of_user", folder=cluster, user=user_name(owner))
    try:
        return pwd.getpwuid(owner)
    except KeyError:
        raise EmbeddedPostgresError("embedded_of_unknown", folder=cluster, uid=owner) from None


def let_pass(account: pwd.struct_passwd, folder: Path) -> None:
    """Grant the account, and nobody else, the right to pass through the folder and those above it."""
    if _may(account, "-x", folder):
        return
    for step in (*reversed(folder.parents), folder):
        if not _may(account, "-x", step):
            grant(step, account.pw_uid, SEARCH)


def let_use_binaries(account: pwd.struct_passwd) -> None:
    """Grant the account the right to run the installed PostgreSQL, even if it was installed with a strict umask."""
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
    """Return whether the account has this access; `access` is an option of test(1), which runs as the account."""
    try:
        run(["/bin/sh", "-c", f'test {access} "$1"', "sh", path], account)
    except EmbeddedPostgresError:
        return False
    return True
