"""Whether the connection to the database is encrypted, and whether the server's certificate is checked."""

from collections.abc import Sequence

from premade.doctor import server_sql as sql
from premade.doctor.check import Check, Installation, Needs, Result, result
from premade.postgres.reach import ssl_mode_of

VERIFY_FULL = "verify-full"
"""The only `sslmode` that refuses the certificate of another server."""


def encryption_of(connection: sql.Encryption, ssl_mode: str) -> Result:
    """Return the result of the check for a connection that was opened with this `sslmode`."""
    if connection.is_encrypted:
        reason = "verified" if ssl_mode == VERIFY_FULL else "not_verified"
    else:
        reason = "local" if connection.is_local else "plain"
    return result(reason, mode=ssl_mode)


async def _examine(installation: Installation) -> Sequence[Result]:
    async with installation.database.single_statement() as tx:
        row = await tx.fetch_one(sql.encryption)
    assert row is not None
    return [encryption_of(row, ssl_mode_of(installation.dsn))]


ENCRYPTION = Check("encryption", _examine, Needs.DATABASE)
