"""The data directory: initdb creates it under another name, then it is renamed."""

import os
import pwd
import shutil
import tempfile
from pathlib import Path

from premade.postgres.embedded.errors import EmbeddedPostgresError
from premade.postgres.embedded.layout import SUPERUSER, Layout
from premade.postgres.embedded.programs import MAJOR, binaries, run

_UNFINISHED = "cluster.new-"


def make_cluster(layout: Layout, account: pwd.struct_passwd | None) -> None:
    """Create the data directory. It belongs to the account, or to the calling user if that is None."""
    new = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=layout.folder))
    if account is not None:
        os.chown(new, account.pw_uid, account.pw_gid)
    options = ["-U", SUPERUSER, "--auth-local=trust", "--auth-host=reject", "--encoding=UTF8"]
    locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    try:
        run([binaries() / "initdb", "-D", new, *options, *locale], account)
        configuration = os.open(new / "postgresql.conf", os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW)
        with os.fdopen(configuration, "a", encoding="utf-8") as lines:
            lines.write(f"\ninclude '../{layout.settings_file.name}'\n")
            lines.flush()
            os.fsync(lines.fileno())
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    new.rename(layout.cluster)
    _sync(layout.folder)


def require_same_major(layout: Layout) -> None:
    """Check that the installed PostgreSQL can read the data directory, if there is one.

    Raises:
        EmbeddedPostgresError: it is of another major version.
    """
    try:
        major = (layout.cluster / "PG_VERSION").read_text(encoding="utf-8").strip()
    except (FileNotFoundError, PermissionError):
        # Not created yet, or of an account that the programs run as.
        return
    if major != str(MAJOR):
        raise EmbeddedPostgresError("embedded_other_major", folder=layout.folder, theirs=major, ours=MAJOR)


def remove_unfinished(layout: Layout) -> None:
    """Remove data directories whose initdb did not end."""
    for leftover in layout.folder.glob(f"{_UNFINISHED}*"):
        # An initdb that outlived its caller may still write there. Then this fails, and the next start removes it.
        shutil.rmtree(leftover, ignore_errors=True)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
