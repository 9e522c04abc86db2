"""A database whose tables are spread by partner: by hash partitions, which a PostgreSQL without Citus has too."""

from pathlib import Path

import psycopg

_CITUS = Path(__file__).parents[2] / "ops/citus"
DISTRIBUTE, CHECK = (_CITUS / "distribute.sql").read_bytes(), (_CITUS / "check.sql").read_bytes()
PARTITIONS = 4


def spread(dsn: str) -> None:
    """Run the script for Citus, with hash partitions in the place of Citus's own calls."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"SET premade.partitions = {PARTITIONS}".encode())
        connection.execute(DISTRIBUTE)
