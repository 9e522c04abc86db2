"""Try whether a server can be reached."""

import psycopg

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


def one_line(error: psycopg.Error) -> str:
    """Return the driver's message, which has several lines, as one."""
    return "; ".join(line.strip() for line in str(error).splitlines() if line.strip())
