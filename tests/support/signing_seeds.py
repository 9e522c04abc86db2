"""The seeds of the signing keys in a database, as the tests need them: plain."""

from collections.abc import Generator
from contextlib import contextmanager
from zoneinfo import ZoneInfo

import psycopg

from premade.runtime.clock import Runtime
from premade.runtime.master_keys import configured_master_keys
from premade.tickets.sealing import seal_signing_keys
from premade.tickets.signing import seal_subject
from support.operating import run


def seeds_of(dsn: str) -> dict[str, bytes]:
    """The seed of each signing key, by key id."""
    master_keys = configured_master_keys()
    with psycopg.connect(dsn, autocommit=True) as connection:
        rows = connection.execute("SELECT key_id, seed, sealed_seed FROM signing_keys").fetchall()
    return {
        key_id: seed if sealed is None else master_keys.unseal(sealed, seal_subject(key_id))
        for key_id, seed, sealed in rows
    }


def make_plain(dsn: str) -> None:
    """Store the seeds as version 0.2.0 does."""
    seeds = seeds_of(dsn)
    with psycopg.connect(dsn, autocommit=True) as connection:
        for key_id, seed in seeds.items():
            connection.execute(
                "UPDATE signing_keys SET seed = %s, sealed_seed = NULL WHERE key_id = %s", [seed, key_id]
            )


@contextmanager
def plain_seeds(dsn: str) -> Generator[None]:
    """Inside the block, the seeds are stored as in an upgraded database, so that the last release can sign."""
    make_plain(dsn)
    yield
    run(dsn, lambda database: seal_signing_keys(database, Runtime(ZoneInfo("UTC"))))
