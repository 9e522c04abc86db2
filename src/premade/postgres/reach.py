"""Try whether a server can be reached."""

import os

import psycopg
from psycopg.conninfo import conninfo_to_dict

from premade.postgres.application_name import this_process
from premade.postgres.pool import CONNECT_TIMEOUT_SECONDS


def refusal_of(dsn: str) -> str | None:
    """Return why no connection can be made, in one line, or None if one can."""
    try:
        psycopg.connect(
            dsn,
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            application_name=this_process("command").application_name,
        ).close()
    except psycopg.Error as error:
        return one_line(error)
    return None


def ssl_mode_of(dsn: str) -> str:
    """Return the value of `sslmode` that libpq uses for this connection string."""
    return str(conninfo_to_dict(dsn).get("sslmode") or os.environ.get("PGSSLMODE", "prefer"))


def one_line(error: psycopg.Error) -> str:
    """Return the driver's message, which has several lines, as one."""
    return "; ".join(line.strip() for line in str(error).splitlines() if line.strip())
