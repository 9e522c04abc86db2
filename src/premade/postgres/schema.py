"""`python -m premade.postgres.schema`: print the schema that the migrations create, for `db/schema.sql`."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from premade.postgres.embedded import binaries, embedded_postgres
from premade.postgres.migrations import migrate

HEADER = "-- The schema that the migrations create. Written by `make schema`; do not edit.\n\n"
# Comments, settings and psql's commands differ between versions of pg_dump.
_NOT_SCHEMA = re.compile(r"^(--.*|SET .*|SELECT pg_catalog\.set_config.*|\\(?:un)?restrict .*)$")


def schema_of(dsn: str) -> str:
    """Dump the schema of a migrated database with pg_dump, without comments and settings."""
    command = [binaries() / "pg_dump", "--schema-only", "--no-owner", "--no-privileges", "--dbname", dsn]
    # Which partitions exist depends on the day.
    command += ["--exclude-table", "audit_events_[0-9]*"]
    dump = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    lines = [line for line in dump.splitlines() if not _NOT_SCHEMA.match(line)]
    return HEADER + re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip() + "\n"


def main() -> None:
    """Print the schema of a new database."""
    # The server may run as another user, who needs access to the folder.
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o711)  # noqa: PTH101, S103
        with embedded_postgres(Path(folder) / "postgres") as dsn:
            migrate(dsn)
            sys.stdout.write(schema_of(dsn))


if __name__ == "__main__":
    main()
