"""Idempotency-Keys of audit events while the table is upgraded from 0.1.0: each is still used once."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.errors import UniqueViolation
from support.postgres import empty_database

from premade.postgres import migrations as migrations_module
from premade.postgres.migrations import migrate, migrations

LAST_OF_0_1_0 = "0016_staff.sql"
PARTNER = "INSERT INTO partners (name, name_key, channel, created_at) VALUES ('Blue', 'blue', 'ota', now())"
INSERT = """
INSERT INTO audit_events (partner_id, event, actor, occurred_at, operation, idempotency_key, request_digest)
VALUES ((SELECT min(partner_id) FROM partners), 'e', 'a', now(), %s, %s, '')
"""
KEYS = "SELECT operation, idempotency_key, event_id, occurred_at FROM audit_keys ORDER BY event_id"
KEYS_OF_EVENTS = """
SELECT operation, idempotency_key, event_id, occurred_at FROM audit_events WHERE idempotency_key IS NOT NULL ORDER BY event_id
"""


@pytest.fixture(name="own")
def _own(dsn: str) -> Iterator[str]:
    with empty_database(dsn) as own:
        yield own


def apply(dsn: str, last: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Apply the migrations up to `last`."""
    folder.mkdir()
    source = Path(__file__).parents[2] / "db" / "migrations"
    for migration in migrations():
        if migration.name <= last:
            shutil.copy(source / migration.name, folder)
    with monkeypatch.context() as patch:
        patch.setattr(migrations_module, "_folder", lambda: folder)
        migrate(dsn)


def test_the_keys_of_0_1_0_are_kept(own: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also keys that 0.1.0 repeats between the migration that adds the table and the one that fills it."""
    apply(own, LAST_OF_0_1_0, tmp_path / "released", monkeypatch)
    with psycopg.connect(own, autocommit=True) as connection:
        connection.execute(PARTNER)
        for number in range(2500):
            connection.execute(INSERT, ["redeem", f"scan {number}"])
        apply(own, "0021_audit_keys.sql", tmp_path / "half", monkeypatch)
        again = (
            INSERT
            + " ON CONFLICT (partner_id, operation, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING"
        )
        assert connection.execute(again.encode(), ["redeem", "scan 1"]).rowcount == 0
        assert connection.execute(INSERT, ["cancel", "new"]).rowcount == 1

        migrate(own)

        expected = connection.execute(KEYS_OF_EVENTS).fetchall()
        assert len(expected) == 2501
        assert connection.execute(KEYS).fetchall() == expected


def test_a_repeated_scan_is_left_out_and_a_repeated_change_is_refused(own: str) -> None:
    migrate(own)
    with psycopg.connect(own, autocommit=True) as connection:
        connection.execute(PARTNER)
        for operation in ("redeem", "sync", "look"):
            assert [connection.execute(INSERT, [operation, "one"]).rowcount for _ in range(2)] == [1, 0]
        connection.execute(INSERT, ["cancel", "one"])
        with pytest.raises(UniqueViolation) as refused:
            connection.execute(INSERT, ["cancel", "one"])
        assert refused.value.diag.constraint_name == "audit_idempotency_key_taken"


def test_a_role_that_owns_nothing_keeps_its_rights(
    own: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply(own, LAST_OF_0_1_0, tmp_path / "released", monkeypatch)
    with psycopg.connect(own, autocommit=True) as connection:
        connection.execute(PARTNER)
        connection.execute("DROP ROLE IF EXISTS till_of_keys")
        connection.execute("CREATE ROLE till_of_keys")
        try:
            connection.execute("GRANT SELECT, INSERT ON audit_events, partners TO till_of_keys")
            for last, key in (("0023_zzz", "half"), ("9999", "whole")):
                apply(own, last, tmp_path / key, monkeypatch)
                connection.execute("SET ROLE till_of_keys")
                assert connection.execute(INSERT, ["cancel", key]).rowcount == 1
                connection.execute("SELECT FROM audit_keys")
                connection.execute("RESET ROLE")
        finally:
            connection.execute("RESET ROLE")
            connection.execute("DROP OWNED BY till_of_keys")
            connection.execute("DROP ROLE till_of_keys")
