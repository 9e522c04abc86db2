"""Where the files of one embedded database are, and the URL of its server."""

import contextlib
import hashlib
import os
import pwd
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from premade.postgres.embedded.errors import EmbeddedPostgresError, user_name

SUPERUSER = "premade"
PORT = 5432
SOCKET_PATH_LIMIT_BYTES = 103 if sys.platform == "darwin" else 107
"""One byte less than sun_path in struct sockaddr_un, which has to end with a zero byte."""
SHORT_FOLDERS = Path("/tmp")  # noqa: S108 - the owner of what lies there is checked before use
"""Not $TMPDIR: all users of a cluster must find the same name, and their environments may differ."""
SHORT_NAME_BYTES = 12


@dataclass(frozen=True)
class Layout:
    """The files in the folder of one embedded database."""

    folder: Path

    @property
    def cluster(self) -> Path:
        """The data directory."""
        return self.folder / "cluster"

    @property
    def settings_file(self) -> Path:
        """Settings that cluster/postgresql.conf includes."""
        return self.folder / "settings.conf"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.folder / "server.log"

    @property
    def start_lock(self) -> Path:
        """Held exclusively by the process that starts or stops the server."""
        return self.folder / "start.lock"

    @property
    def users_lock(self) -> Path:
        """Held shared by each user of the server."""
        return self.folder / "users.lock"

    @property
    def server_lock(self) -> Path:
        """Held by the processes of the server."""
        return self.folder / "server.lock"

    @property
    def pid_file(self) -> Path:
        """Written by the server: its process id in the first line, its state in the last."""
        return self.cluster / "postmaster.pid"

    @property
    def socket_folder(self) -> Path:
        """The data directory, or a folder with a short name where the socket's address would be too long."""
        address = os.fsencode(self.cluster / f".s.PGSQL.{PORT}")
        # A comma separates hosts for libpq, and cannot be quoted.
        if len(address) <= SOCKET_PATH_LIMIT_BYTES and b"," not in address:
            return self.cluster
        name = hashlib.sha256(os.fsencode(self.cluster)).hexdigest()[:SHORT_NAME_BYTES]
        return SHORT_FOLDERS / f"premade-{name}"

    @property
    def socket(self) -> Path:
        """The socket on which the server listens."""
        return self.socket_folder / f".s.PGSQL.{PORT}"

    def url(self, database: str) -> str:
        """Return the URL of a database for libpq."""
        host = quote(os.fsencode(self.socket_folder), safe="")
        return f"postgresql://{SUPERUSER}@/{quote(database, safe='')}?host={host}&port={PORT}"


def make_private(folder: Path, account: pwd.struct_passwd | None) -> None:
    """Make a folder that only the account (None for the calling user) may use.

    Raises:
        EmbeddedPostgresError: somebody else created it first, or others may use it.
    """
    owner = os.geteuid() if account is None else account.pw_uid
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    status = folder.lstat()
    is_folder = stat.S_ISDIR(status.st_mode)
    if is_folder and status.st_uid == os.geteuid() and account is not None:
        os.chown(folder, account.pw_uid, account.pw_gid, follow_symlinks=False)
        status = folder.lstat()
    if not is_folder or status.st_uid != owner or status.st_mode & 0o077:
        raise EmbeddedPostgresError("embedded_folder_not_private", folder=folder, user=user_name(owner))
