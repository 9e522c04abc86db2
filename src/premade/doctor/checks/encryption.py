"""Whether the connection to the database is encrypted, and with the right server."""

from collections.abc import Sequence

from premade.doctor import server_sql as sql
from premade.doctor.check import Check, Installation, Needs, Result, result
from premade.postgres.reach import ssl_mode_of

CHECKED = "verify-full"
"""The only mode that takes no certificate of another server."""


def encryption_of(connection: sql.Encryption, ssl_mode: str) -> Result:
    """Return the result for a connection. `ssl_mode`: the parameter `sslmode` with which it was opened."""
    if connection.is_encrypted:
        reason = "verified" if ssl_mode == CHECKED else "not_verified"
    else:
        reason = "local" if connection.is_local else "plain"
    return result(reason, mode=ssl_mode)


async def _examine(installation: Installation) -> Sequence[Result]:
    async with installation.database.single_statement() as tx:
        row = await tx.fetch_one(sql.encryption)
    assert row is not None
    return [encryption_of(row, ssl_mode_of(installation.dsn))]


ENCRYPTION = Check("encryption", _examine, Needs.DATABASE)
