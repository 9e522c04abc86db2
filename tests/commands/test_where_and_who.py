"""Which database a command looks in, who ran it, and what a terminal of another encoding shows."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.postgres import empty_database
from support.service import environment_for
from support.terminal import COMMAND_SECONDS_MAX, command

from premade.audit.actors import COMMAND_ACTOR

NAME = "Île 维多利亚港"
PRODUCT = [
    "product", "add", "--id", "106", "--type", "FERRY", "--price", "288", "--currency", "HKD",
    "--entitles", "ferry=2", "--name",
]  # fmt: skip
BAD_COMMANDS = [
    ["partner", "list"],
    ["partner", "add", "A"],
    ["product", "list"],
    ["key", "list"],
    ["key", "create", "--operator", "--permission", "gate:redeem"],
    ["allotment", "list"],
    ["signing-key", "list"],
    ["signing-key", "rotate"],
    ["staff", "list"],
    ["expire"],
    ["verify", "PM1:x"],
    ["export", "B", "--partner", "A", "--format", "csv", "-o", "-"],
    ["generate", "--partner", "A", "--batch", "B", "--product", "1", "--quantity", "1"],
]


def run(
    *arguments: str, dsn: str | None = None, cwd: Any = None, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    return command({**environment_for(dsn), **environment}, *arguments, folder=cwd)


def run_anew(*arguments: str, dsn: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """In a new interpreter, which finds out by itself who runs it and what the terminal can show."""
    return subprocess.run(
        [sys.executable, "-m", "premade", *arguments],
        env={**environment_for(dsn), **environment},
        capture_output=True,
        stdin=subprocess.DEVNULL,
        check=False,
        timeout=COMMAND_SECONDS_MAX,
    )


@pytest.fixture(scope="module")
def database(dsn: str) -> Iterator[str]:
    """A migrated one of its own, with a product of a name that ASCII does not have."""
    with empty_database(dsn) as own:
        assert run("migrate", dsn=own).returncode == 0
        assert run(*PRODUCT, NAME, dsn=own).returncode == 0
        yield own


@pytest.mark.parametrize("arguments", BAD_COMMANDS, ids=" ".join)
def test_a_command_makes_no_empty_database_and_says_where_it_looked(
    tmp_path: Path, arguments: list[str]
) -> None:
    done = run(*arguments, cwd=tmp_path)

    assert done.returncode == 1
    assert done.stdout == b""
    told = done.stderr.decode()
    assert f"looked for the embedded PostgreSQL in {tmp_path}/var/postgres (the default" in told
    assert "PREMADE_DATA_DIR or DATABASE_URL" in told
    assert "Traceback" not in told
    assert list(tmp_path.iterdir()) == []


def test_it_says_that_a_variable_chose_the_place(tmp_path: Path) -> None:
    done = run("partner", "list", "--json", cwd=tmp_path, PREMADE_DATA_DIR=str(tmp_path / "elsewhere"))

    error = json.loads(done.stdout)["error"]
    assert error["code"] == "NO_DATABASE"
    assert f"{tmp_path}/elsewhere/postgres (PREMADE_DATA_DIR)" in error["detail"]
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["key", "create", "--partner", "Nobody", "--permission", "tickets:read"],
        ["partner", "disable", "Nobody"],
        ["export", "B", "--partner", "Nobody", "--format", "csv", "-o", "-"],
        ["staff", "disable", "nobody"],
        ["key", "revoke", "4711"],
    ],
    ids=" ".join,
)
def test_what_there_is_not_is_said_with_the_database(database: str, arguments: list[str]) -> None:
    done = run(*arguments, dsn=database)

    told = done.stderr.decode()
    assert done.returncode == 1
    assert re.search(r"Looked in the PostgreSQL of DATABASE_URL \(.*database \w+", told), told


def test_no_message_has_the_password(tmp_path: Path) -> None:
    dsn = "postgresql://mei:s3cret@127.0.0.1:1/premade"
    for arguments in (["partner", "list"], ["demo"], ["staff", "disable", "nobody"]):
        done = run(*arguments, dsn=dsn, cwd=tmp_path)
        assert done.returncode == 1
        assert b"s3cret" not in done.stdout + done.stderr


ENCODINGS = {
    "ascii": {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "cp437": {"PYTHONIOENCODING": "cp437"},
}


@pytest.mark.nightly
@pytest.mark.parametrize("encoding", list(ENCODINGS))
def test_what_a_terminal_cannot_show_is_replaced(database: str, encoding: str) -> None:
    start = run_anew if encoding == "ascii" else run
    for columns in ("40", "200"):
        shown = start("product", "list", dsn=database, COLUMNS=columns, **ENCODINGS[encoding])
        assert (shown.returncode, shown.stderr) == (0, b"")
        text = shown.stdout.decode(encoding)
        expected = NAME.encode(encoding, "replace").decode(encoding)
        assert expected in " ".join(text.split())
    as_json = start("product", "list", "--json", dsn=database, **ENCODINGS[encoding])
    assert json.loads(as_json.stdout.decode(encoding))[0]["name"] == NAME
    for arguments in (["--help"], ["export", "--help"], ["nonsense"]):
        helped = start(*arguments, dsn=database, **ENCODINGS[encoding])
        assert b"Traceback" not in helped.stderr
        helped.stdout.decode(encoding)


@pytest.mark.nightly
@pytest.mark.parametrize("encoding", list(ENCODINGS))
def test_a_name_in_utf_8_and_one_that_nobody_has_are_taken_and_told_on_any_terminal(
    database: str, encoding: str
) -> None:
    start = run_anew if encoding == "ascii" else run
    name = f"Île 港 {encoding}"
    added = start("partner", "add", name, "--json", dsn=database, **ENCODINGS[encoding])
    assert (added.returncode, added.stderr) == (0, b"")
    assert json.loads(added.stdout)["name"] == name
    refused = start("partner", "disable", f"{name}?", dsn=database, **ENCODINGS[encoding])
    assert refused.returncode == 1
    assert b"Traceback" not in refused.stderr
    assert b"no partner named" in refused.stderr


# --- The demo ---


def taken_port() -> socket.socket:
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    return taken


def test_the_demo_notices_a_taken_port_before_it_makes_anything(tmp_path: Path) -> None:
    with taken_port() as taken:
        port = str(taken.getsockname()[1])
        done = run("demo", "--port", port, cwd=tmp_path)

    assert done.returncode == 1
    assert f"Cannot listen on 127.0.0.1:{port}" in done.stderr.decode()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.nightly
@pytest.mark.parametrize("stranger", [["partner", "add", "Blue Travel"], ["staff", "add", "mei"]])
def test_the_demo_is_refused_beside_the_data_of_others(dsn: str, tmp_path: Path, stranger: list[str]) -> None:
    with empty_database(dsn) as own:
        assert run("migrate", dsn=own).returncode == 0
        staff = ["--role", "admin", "--password-stdin"] if stranger[0] == "staff" else []
        done = command(environment_for(own), *stranger, *staff, typed="correct-horse-battery\n")
        assert done.returncode == 0, done.stderr
        before = run("partner", "list", "--json", dsn=own).stdout + run("key", "list", dsn=own).stdout

        refused = run("demo", "--port", "0", dsn=own, cwd=tmp_path)

        assert refused.returncode == 1
        assert "1 other" in refused.stderr.decode()
        assert "--yes" in refused.stderr.decode()
        assert run("partner", "list", "--json", dsn=own).stdout + run("key", "list", dsn=own).stdout == before
        assert run("product", "list", dsn=own).stdout == b"None.\n"
    assert list(tmp_path.iterdir()) == []


# --- Who ---


def actors(dsn: str) -> list[str]:
    import psycopg

    with psycopg.connect(dsn) as connection:
        rows = connection.execute("SELECT DISTINCT actor FROM audit_events WHERE event = 'partner.added'")
        return sorted(row[0] for row in rows.fetchall())


@pytest.mark.nightly
def test_the_record_names_the_system_user_of_a_command(dsn: str) -> None:
    import pwd

    me = pwd.getpwuid(os.getuid()).pw_name
    with empty_database(dsn) as own:
        assert run("migrate", dsn=own).returncode == 0
        assert run_anew("partner", "add", "A", dsn=own, SUDO_USER="").returncode == 0
        assert actors(own) == [f"command:{me}"]
        assert run_anew("partner", "add", "B", dsn=own, SUDO_USER="daemon").returncode == 0
        # Whoever is not root can claim to be nobody else.
        assert actors(own) == sorted(
            {f"command:{me}", "command:daemon" if os.getuid() == 0 else f"command:{me}"}
        )
        assert run_anew("partner", "add", "C", dsn=own, SUDO_USER="no such user").returncode == 0
        assert len(actors(own)) <= 2
    assert COMMAND_ACTOR.startswith("command:")
