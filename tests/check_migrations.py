"""Check the migrations that are not released yet, by the rules of ADR 33: `python tests/check_migrations.py`, part of `make check`.

squawk knows which statements lock a table for long or break a service of the version before. What it does not know is
checked here: rows are changed in batches, a file that removes something says which versions it suits, and a released file
stays as it is.
"""

import hashlib
import re
import subprocess
import sys
from pathlib import Path

from support.changelog import last_version

from premade.postgres.migrations import Migration, batch_statement, concurrent_statements
from premade.postgres.removals import numbers_of, removal_of

DATABASE = Path(__file__).parents[1] / "db"
RELEASED = "released.sha256"
"""Beside the folder of the migrations; `sha256sum *.sql` writes it when a version is released."""
NAME = re.compile(r"\d{4}_[a-z0-9_]+\.sql")
SQUAWK = [
    str(Path(sys.executable).parent / "squawk"),
    "--pg-version=15.0",
    "--reporter=gcc",
    # `premade migrate` sets the limit. It knows no other for a build of an index, which may take hours.
    "--exclude=require-lock-timeout,require-statement-timeout",
    # Quantities of tickets are integers, and a limit keeps them small.
    "--exclude=prefer-bigint-over-int",
]
_IGNORE = re.compile(r"(?m)^(?P<above>.*)\n\s*-- squawk-ignore\S* ")
# A comment comes first: an apostrophe in one begins no string.
_COMMENT_BODY_OR_STRING = re.compile(rb"--[^\n]*|/\*.*?\*/|\$(\w*)\$.*?\$\1\$|'(?:[^']|'')*'", re.DOTALL)
_IN_A_TRANSACTION = re.compile(
    rb"(ALTER|CREATE|DROP|COMMENT|DO|GRANT)\b|INSERT\s+INTO\s[^;]*\bVALUES\b", re.IGNORECASE
)
_REMOVAL = re.compile(
    rb"\b(?:DROP\s+(?:TABLE|COLUMN|FUNCTION|PROCEDURE|VIEW|SEQUENCE|TYPE|DOMAIN)|RENAME)\b", re.IGNORECASE
)


def faults(folder: Path) -> list[str]:
    """Return what breaks a rule, a line for each."""
    released = _released(folder)
    files = [Migration(file.name, file.read_bytes()) for file in sorted(folder.glob("*.sql"))]
    new = [migration for migration in files if migration.name not in released]
    return [
        *_changed(files, released),
        *(fault for migration in new for fault in _own_rules(migration)),
        *_squawk(
            folder, [migration for migration in new if not migration.is_concurrent], in_transaction=True
        ),
        *_squawk(folder, [migration for migration in new if migration.is_concurrent], in_transaction=False),
    ]


def _released(folder: Path) -> dict[str, str]:
    lines = (folder.parent / RELEASED).read_text().splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


def _changed(files: list[Migration], released: dict[str, str]) -> list[str]:
    here = {migration.name: hashlib.sha256(migration.sql).hexdigest() for migration in files}
    last = max(released, default="")
    return [
        *(
            f"{name}: it is released and must stay as it is. Write a new migration."
            for name, digest in released.items()
            if here.get(name) != digest
        ),
        *(
            f"{name}: it must come after {last}, which is released."
            for name in here
            if name not in released and name < last
        ),
    ]


def _own_rules(migration: Migration) -> list[str]:
    found: list[str] = []
    if not NAME.fullmatch(migration.name):
        found.append(f"{migration.name}: the name must be four digits, _, words.sql.")
    found.extend(
        f"{migration.name}: say why in a comment above 'squawk-ignore'."
        for ignore in _IGNORE.finditer("\n" + migration.sql.decode())
        if not re.match(r"\s*-- \S+ \S", ignore["above"])
    )
    try:
        if migration.is_concurrent:
            concurrent_statements(migration)
        elif migration.is_in_batches:
            batch_statement(migration)
        else:
            found.extend(_in_one_transaction(migration))
    except ValueError as error:
        found.append(f"{migration.name}: {error}")
    return found


def _without_text(part: re.Match[bytes]) -> bytes:
    """Return nothing for a comment, and an empty string for a function body or a string."""
    return b"" if part[0].startswith((b"--", b"/*")) else b"''"


def _in_one_transaction(migration: Migration) -> list[str]:
    plain = _COMMENT_BODY_OR_STRING.sub(_without_text, migration.sql)
    statements = Migration(migration.name, plain).statements()
    return [
        *_removes(migration.name, plain),
        *(
            f"{migration.name}: a transaction only changes the schema. Change rows in a file that begins with "
            f"'-- in batches', and set no limits and locks: {statement.decode().splitlines()[0]}"
            for statement in statements
            if not _IN_A_TRANSACTION.match(statement)
        ),
        *(
            f"{migration.name}: CONCURRENTLY needs a file that begins with '-- outside a transaction'."
            for statement in statements
            if re.search(rb"\bCONCURRENTLY\b", statement, re.IGNORECASE)
        ),
    ]


def _removes(name: str, plain: bytes) -> list[str]:
    """Check the name of a file that removes or renames something: the last release must work without it."""
    removal = removal_of(name)
    removed = _REMOVAL.search(plain)
    if removal is None and removed is not None:
        what = removed[0].decode()
        return [
            f"{name}: it removes something ({what}). End its name with '_since_X_Y_Z.sql': versions since X.Y.Z do not use it."
        ]
    last = last_version()
    if removal is not None and removal.since > numbers_of(last):
        return [f"{name}: the last release, {last}, still uses what it removes. Remove it one version later."]
    return []


def _squawk(folder: Path, files: list[Migration], *, in_transaction: bool) -> list[str]:
    if not files:
        return []
    assumed = ["--assume-in-transaction"] if in_transaction else []
    names = [migration.name for migration in files]
    done = subprocess.run(
        [*SQUAWK, *assumed, *names], cwd=folder, check=False, capture_output=True, text=True
    )
    if done.returncode not in {0, 1}:
        sys.exit(done.stderr)
    return done.stdout.splitlines()


def main() -> None:
    """Print the faults, and fail if there are any."""
    found = faults(DATABASE / "migrations")
    for fault in found:
        print(fault)
    if found:
        sys.exit("See docs/adr/0033-rules-for-migrations.md.")
    print("The migrations follow the rules.")


if __name__ == "__main__":
    main()
