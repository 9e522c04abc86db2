"""Spread the tables of a database by partner without Citus: over hash partitions."""

from pathlib import Path

import psycopg

_CITUS = Path(__file__).parents[2] / "ops/citus"
DISTRIBUTE, CHECK = (_CITUS / "distribute.sql").read_bytes(), (_CITUS / "check.sql").read_bytes()
HASH_PARTITIONS = Path(__file__).with_name("hash_partitions.sql").read_bytes()
PARTITIONS = 4
_END = b"COMMIT;"


def spread(dsn: str, *, is_split: bool = True) -> None:
    """Run the script for Citus without its last part, which calls Citus, and split the tables into hash partitions instead."""
    changes, end, _ = DISTRIBUTE.rpartition(_END)
    assert end == _END
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"SET premade.partitions = {PARTITIONS}".encode())
        connection.execute(changes + (HASH_PARTITIONS if is_split else b"") + end)
