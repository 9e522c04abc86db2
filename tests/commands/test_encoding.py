"""A database in another encoding than UTF-8 is refused before anything is changed."""

from zoneinfo import ZoneInfo

import psycopg
import pytest
from support.postgres import empty_database

from premade.bootstrap import bring_up_to_date
from premade.postgres.encoding import EncodingDiffers
from premade.runtime.clock import Runtime

ASCII = "ENCODING 'SQL_ASCII' LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"


def test_a_database_that_does_not_store_utf8_is_refused_unchanged(dsn: str) -> None:
    with empty_database(dsn, ASCII) as own:
        with pytest.raises(EncodingDiffers, match="stores text as SQL_ASCII, but premade needs UTF8"):
            bring_up_to_date(own, Runtime(ZoneInfo("UTC")))
        with psycopg.connect(own) as connection:
            tables = connection.execute(
                "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
            ).fetchone()
        assert tables == (0,)
