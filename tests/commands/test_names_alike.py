"""Partners whose names clash by this version of Unicode and did not when they were added: both work, and `migrate` says what to do."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from support.postgres import postgres
from support.shop import unique
from support.terminal import Operator

from premade.postgres.migrations import migrate

NAMES = [
    "\u00c9cole",  # Capital E with acute
    "Blue Travel",
    "\u00e9cole",
    "e\u0301cole",  # e and a combining acute
    "BLUE\u3000travel",  # an ideographic space
    "\u0130stanbul",  # a dotted capital I
    "Stra\u00dfe",
    "STRASSE",
    "Other",
]
ALIKE = [(1, 3), (1, 4), (2, 5), (7, 8)]


@pytest.fixture(
    params=["embedded", pytest.param("standalone", id="15 with the locale C")], scope="module", name="server"
)
def _server(request: pytest.FixtureRequest) -> Iterator[str]:
    with (
        tempfile.TemporaryDirectory(prefix="premade-tests-") as folder,
        postgres(request.param, Path(folder)) as dsn,
    ):
        yield dsn


@pytest.fixture(name="operator")
def _operator(server: str) -> Iterator[Operator]:
    """One whose partners have these names, and keys that differ although the names clash."""
    name = unique("old").replace("-", "_")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'".encode())
    dsn = make_conninfo(server, dbname=name)
    migrate(dsn)
    with psycopg.connect(dsn) as connection:
        connection.cursor().executemany(
            "INSERT INTO partners (name, name_key, channel, is_test, reservation_hours_max, created_at)"
            " VALUES (%s, %s, 'ota', false, 1, now())",
            [(each, f"key {number}") for number, each in enumerate(NAMES)],
        )
    yield Operator(dsn)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def said(operator: Operator) -> list[str]:
    done = operator.run("migrate")
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()


def numbers(lines: list[str]) -> list[tuple[int, int]]:
    """Which partners each sentence is about."""
    words = [line.replace(",", "").split() for line in lines]
    return sorted((int(line[1]), int(line[line.index("and") + 1])) for line in words)


@pytest.mark.nightly
def test_a_migration_names_the_partners_whose_names_clash_and_how_to_rename_one(operator: Operator) -> None:
    lines = said(operator)

    assert numbers(lines) == ALIKE
    assert "premade partner set 'BLUE\u3000travel' --name NEW" in "\n".join(lines)
    with psycopg.connect(operator.dsn) as connection:
        keys = [row[0] for row in connection.execute("SELECT name_key FROM partners ORDER BY partner_id")]
    assert keys[:3] == ["\u00e9cole", "bluetravel", "\u00e9cole 3"]
    assert len(set(keys)) == len(NAMES)
    assert numbers(said(operator)) == ALIKE, "until one is renamed"


@pytest.mark.nightly
def test_partners_whose_names_clash_go_on_and_nobody_gets_a_further_name_like_theirs(
    operator: Operator,
) -> None:
    said(operator)

    for name in NAMES:
        changed = operator.does("partner", "set", name, "--reservation-hours", "48")
        assert (changed["name"], changed["reservation_hours_max"]) == (name, 48)
    for name in ("\u00c9COLE", "e\u0301 cole", "strasse", "blue travel"):
        assert "already a partner" in operator.is_refused("partner", "add", name)


@pytest.mark.nightly
def test_a_partner_that_is_renamed_clashes_no_more(operator: Operator) -> None:
    said(operator)

    operator.does("partner", "set", "\u00c9cole", "--name", "Lyc\u00e9e")
    operator.does("partner", "set", "e\u0301cole", "--name", "Coll\u00e8ge")
    operator.does("partner", "set", "STRASSE", "--name", "Street")

    assert numbers(said(operator)) == [(2, 5)]
    # The third has the key now that the first had.
    assert "already a partner named '\u00e9cole'" in operator.is_refused("partner", "add", "\u00c9COLE")
    operator.does("partner", "set", "\u00e9cole", "--name", "\u00c9cole")
