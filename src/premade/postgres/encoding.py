"""Check that the database stores text as UTF-8."""

import psycopg

from premade.runtime.errors import CommandError

ENCODING = "UTF8"


class EncodingDiffers(CommandError):
    """The database stores text in another encoding than UTF-8."""


def require_utf8(dsn: str) -> None:
    """Check the encoding of the database. It is fixed when a database is created.

    Raises:
        EncodingDiffers: it is another one. SQL_ASCII, for example, returns bytes instead of text.
    """
    with psycopg.connect(dsn, autocommit=True) as connection:
        encoding = connection.info.parameter_status("server_encoding")
    if encoding != ENCODING:
        raise EncodingDiffers("encoding", encoding=encoding)
