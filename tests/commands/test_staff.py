"""`premade staff`: the first admin is made on the server."""

import asyncio
import os
import pty
import subprocess
import sys

import pytest
from support.service import environment_for
from support.shop import Shop, unique
from support.terminal import READ_SECONDS_MAX, Operator, read_until

from premade.staff.password import is_right

PASSWORD = "three small ferries"


@pytest.fixture
def operator(dsn: str) -> Operator:
    return Operator(dsn)


def kept(shop: Shop, name: str) -> str:
    [row] = shop.sql("SELECT password_digest FROM staff WHERE name = %s", name)
    return row["password_digest"]


def test_somebody_is_added_listed_and_changed(dsn: str, shop: Shop, operator: Operator) -> None:
    name = unique("admin")

    added = operator.run(
        "staff", "add", name, "--role", "admin", "--password-stdin", "--json", typed=f"{PASSWORD}\n"
    )
    assert (added.returncode, added.stderr) == (0, "")
    assert PASSWORD not in added.stdout
    assert "digest" not in added.stdout
    assert asyncio.run(is_right(PASSWORD, kept(shop, name)))
    assert {row["name"]: row["role"] for row in operator.does("staff", "list")}[name] == "admin"

    assert operator.does("staff", "set-role", name, "--role", "finance")["role"] == "finance"
    assert operator.does("staff", "disable", name)["disabled_at"].endswith("Z")
    assert operator.does("staff", "enable", name)["disabled_at"] is None
    changed = operator.run("staff", "set-password", name, "--password-stdin", typed="four small ferries\n")
    assert changed.returncode == 0, changed.stderr
    assert asyncio.run(is_right("four small ferries", kept(shop, name)))
    assert not asyncio.run(is_right(PASSWORD, kept(shop, name)))


def test_a_password_is_asked_for_twice_and_not_shown(dsn: str, shop: Shop) -> None:
    name = unique("asked")
    leader, terminal = pty.openpty()
    program = [sys.executable, "-m", "premade", "staff", "add", name, "--role", "gate"]
    with subprocess.Popen(
        program,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=environment_for(dsn),
        start_new_session=True,
        close_fds=True,
    ) as process:
        os.close(terminal)
        try:
            # Up to the space: it comes after what was typed too early is thrown away.
            shown = read_until(leader, r"characters\): ")
            os.write(leader, f"{PASSWORD}\n".encode())
            shown += read_until(leader, "Repeat the password: ")
            os.write(leader, f"{PASSWORD}\n".encode())
            assert process.wait(READ_SECONDS_MAX) == 0
        finally:
            process.kill()
    os.close(leader)

    assert PASSWORD not in shown
    assert asyncio.run(is_right(PASSWORD, kept(shop, name)))


def test_what_is_wrong_is_told_and_nobody_is_added(dsn: str, operator: Operator) -> None:
    short = operator.run("staff", "add", "Not A Name", "--role", "gate", "--password-stdin", typed="short\n")

    assert short.returncode == 1
    assert "premade: name: Must" in short.stderr
    assert "premade: password: Must be 12 to 200 characters" in short.stderr
    assert "no member of staff named 'nobody.here'" in operator.is_refused("staff", "disable", "nobody.here")
    assert operator.run("staff", "add", "x", "--role", "king", "--password-stdin").returncode != 0
    twice = unique("twice")
    assert (
        operator.run(
            "staff", "add", twice, "--role", "gate", "--password-stdin", typed=f"{PASSWORD}\n"
        ).returncode
        == 0
    )
    again = operator.run(
        "staff", "add", twice.upper(), "--role", "gate", "--password-stdin", typed=f"{PASSWORD}\n"
    )
    assert (again.returncode, "already a member of staff named" in again.stderr) == (1, True)
