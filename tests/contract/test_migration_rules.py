"""What `make check` says of migrations after the baseline."""

import hashlib
from pathlib import Path

import pytest
from check_migrations import DATABASE, RELEASED, faults
from support.changelog import last_version

BASELINE = "CREATE TABLE things (id bigint PRIMARY KEY, size integer);\n"


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    """A folder with one released migration."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0010_things.sql").write_text(BASELINE)
    (tmp_path / RELEASED).write_text(f"{hashlib.sha256(BASELINE.encode()).hexdigest()}  0010_things.sql\n")
    return folder


def test_the_migrations_follow_the_rules() -> None:
    assert faults(DATABASE / "migrations") == []


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE things ADD COLUMN colour text NOT NULL DEFAULT 'red';",
        "ALTER TABLE things ADD CONSTRAINT size_positive CHECK (size > 0) NOT VALID;",
        "ALTER TABLE things VALIDATE CONSTRAINT size_positive;",
        (
            "CREATE TABLE others (a bigint CONSTRAINT a_taken UNIQUE);\nCREATE INDEX others_by_a ON others (a);\n"
            "INSERT INTO others (a) VALUES (1), (2);"
        ),
        (
            "CREATE OR REPLACE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$\nBEGIN\n    DELETE FROM things;\n"
            "    RETURN NULL;\nEND\n$$;\nCOMMENT ON TABLE things IS 'UPDATE; or not';"
        ),
        (
            "-- outside a transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS things_by_size ON things (size);\n"
            "DROP INDEX CONCURRENTLY IF EXISTS things_by_id;"
        ),
        (
            "-- The partner's colour; UPDATE it later.\nALTER TABLE things ADD COLUMN colour text;\n"
            "/* Nobody's; yet. */\nALTER TABLE things ADD COLUMN shape text;"
        ),
        "-- in batches\nUPDATE things SET size = 1 WHERE id IN (SELECT id FROM things WHERE size IS NULL LIMIT 500);",
    ],
)
def test_these_are_allowed(folder: Path, sql: str) -> None:
    (folder / "0020_new.sql").write_text(sql + "\n")

    assert faults(folder) == []


REMOVAL = "-- No version reads it any more.\n-- squawk-ignore ban-drop-column\nALTER TABLE things DROP COLUMN size;\n"


def test_what_the_last_release_does_not_use_may_be_removed(folder: Path) -> None:
    last = last_version().replace(".", "_")
    (folder / f"0020_drop_size_since_{last}.sql").write_text(REMOVAL)

    assert faults(folder) == []


def test_a_removal_says_which_versions_it_suits_and_the_last_release_is_one_of_them(folder: Path) -> None:
    (folder / "0020_drop_size.sql").write_text(REMOVAL)
    (folder / "0021_drop_size_since_999_0_0.sql").write_text(REMOVAL)

    without, too_early = faults(folder)

    assert without.startswith("0020_drop_size.sql: it removes something (DROP COLUMN). End its name with")
    assert too_early.endswith("still uses what it removes. Remove it one version later.")


@pytest.mark.parametrize(
    ("sql", "fault"),
    [
        ("ALTER TABLE things DROP COLUMN size;", "ban-drop-column"),
        ("ALTER TABLE things RENAME COLUMN size TO width;", "renaming-column"),
        ("ALTER TABLE things RENAME TO objects;", "renaming-table"),
        ("DROP TABLE things;", "ban-drop-table"),
        ("ALTER TABLE things ADD COLUMN colour text NOT NULL;", "adding-required-field"),
        ("ALTER TABLE things ALTER COLUMN size SET NOT NULL;", "adding-not-nullable-field"),
        ("ALTER TABLE things ALTER COLUMN size TYPE bigint;", "changing-column-type"),
        ("ALTER TABLE things ADD CONSTRAINT size_positive CHECK (size > 0);", "constraint-missing-not-valid"),
        (
            (
                "ALTER TABLE things ADD CONSTRAINT s CHECK (size > 0) NOT VALID;\n"
                "ALTER TABLE things VALIDATE CONSTRAINT s;"
            ),
            "constraint-missing-not-valid",
        ),
        (
            "ALTER TABLE things ADD CONSTRAINT s FOREIGN KEY (size) REFERENCES others;",
            "adding-foreign-key-constraint",
        ),
        ("ALTER TABLE things ADD CONSTRAINT s UNIQUE (size);", "disallowed-unique-constraint"),
        ("CREATE INDEX things_by_size ON things (size);", "require-concurrent-index-creation"),
        (
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS a ON things (size);",
            "needs a file that begins with '-- outside a transaction'",
        ),
        ("DROP INDEX things_by_size;", "require-concurrent-index-deletion"),
        ("-- squawk-ignore ban-drop-column\nALTER TABLE things DROP COLUMN size;", "say why"),
        (
            "ALTER TABLE things ADD COLUMN b text;\n-- squawk-ignore ban-drop-column\nALTER TABLE things DROP COLUMN a;",
            "say why",
        ),
        ("UPDATE things SET size = 1;", "in batches"),
        ("DELETE FROM things;", "in batches"),
        ("-- The shop's size.\nUPDATE things SET size = 1;\n-- It isn't more.", "in batches"),
        ("INSERT INTO others SELECT * FROM things;", "in batches"),
        ("WITH old AS (SELECT 1) UPDATE things SET size = 1;", "in batches"),
        ("TRUNCATE things;", "only changes the schema"),
        ("LOCK TABLE things IN SHARE MODE;", "only changes the schema"),
        ("SET lock_timeout = '1h';", "only changes the schema"),
        ("VACUUM things;", "only changes the schema"),
        ("-- outside a transaction\nCREATE INDEX CONCURRENTLY a ON things (size);", "IF [NOT] EXISTS"),
        (
            "-- outside a transaction\nALTER TABLE things ADD COLUMN a text;",
            "may only build and drop indexes",
        ),
        ("-- in batches\nUPDATE things SET size = 1;", "LIMIT 1000"),
        ("ALTER TABLE things ADD COLUMN;", "syntax-error"),
    ],
)
def test_these_are_refused(folder: Path, sql: str, fault: str) -> None:
    (folder / "0020_new.sql").write_text(sql + "\n")

    found = faults(folder)

    assert any(fault in line for line in found), found
    assert all(line.startswith("0020_new.sql:") for line in found)


def test_a_released_migration_stays_as_it_is_and_new_ones_come_after_it(folder: Path) -> None:
    (folder / "0009_before.sql").write_text("CREATE TABLE a (a bigint);\n")
    (folder / "new.sql").write_text("CREATE TABLE b (a bigint);\n")
    (folder / "0010_things.sql").write_text(BASELINE + "-- Better.\n")

    assert [line.split(":")[0] for line in faults(folder)] == [
        "0010_things.sql",
        "0009_before.sql",
        "new.sql",
    ]
    (folder / "0010_things.sql").unlink()
    assert "0010_things.sql: it is released" in faults(folder)[0]
