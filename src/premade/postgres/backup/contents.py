"""What a database contains: the number of rows and a digest of each table."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from premade.postgres.backup import backup_sql as sql
from premade.postgres.database import Transaction
from premade.postgres.statements import Statement, row_factory_of

Report = Callable[[str, int, int | None], None]
"""Called with a step in words, the number of things that are done, and the number of all, or None if unknown."""

# Row as text, in a form that no setting of the server or the role changes.
_READING = (
    b"SET datestyle = 'ISO, YMD'; SET timezone = 'UTC'; SET intervalstyle = 'postgres'; SET extra_float_digits = 1;"
    b"SET bytea_output = 'hex';"
    # It reads whole tables, beside sales: one processor is enough, and the limits of the service do not apply.
    b"SET max_parallel_workers_per_gather = 0; SET jit = off;"
    b"SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; SET lock_timeout = 0;"
    b"SET idle_session_timeout = 0"
)
_NO_TRANSACTION_TIMEOUT = b"SET transaction_timeout = 0"
_VERSION_WITH_TRANSACTION_TIMEOUT = 170_000


@dataclass(frozen=True, slots=True)
class TableContents:
    """Rows of a table. The digest is the sum of the rows' digests, so their order does not matter."""

    rows: int
    digest: str


@asynccontextmanager
async def session(dsn: str) -> AsyncGenerator[AsyncConnection[TupleRow]]:
    """Open a session without time limits, in which a row always has the same text."""
    async with await AsyncConnection.connect(
        dsn, autocommit=True, application_name="premade backup"
    ) as connection:
        await connection.execute(_READING)
        if connection.info.server_version >= _VERSION_WITH_TRANSACTION_TIMEOUT:
            await connection.execute(_NO_TRANSACTION_TIMEOUT)
        yield connection


async def contents_of(connection: AsyncConnection[TupleRow], report: Report) -> Mapping[str, TableContents]:
    """Read all tables of the database, and return their contents by name."""
    tx = Transaction(connection)
    names = await tx.fetch_all(sql.tables)
    contents: dict[str, TableContents] = {}
    for done, name in enumerate(names):
        report("Compute digests", done, len(names))
        row = await tx.fetch_one(_contents_of_table(name))
        assert row is not None
        contents[name] = row
    return contents


def _contents_of_table(name: str) -> Statement[[], TableContents]:
    """Return the statement for one table; `name` is quoted."""

    def declared() -> TableContents: ...

    text = (
        b"SELECT count(*) AS rows, "
        b"coalesce(sum(('x' || left(encode(sha256(convert_to(t::text, 'UTF8')), 'hex'), 16))::bit(64)::bigint), 0)::text"
        b" AS digest FROM ONLY " + name.encode() + b" AS t"
    )
    return Statement("backup.contents_of_table", text, (), declared, row_factory_of(TableContents))
