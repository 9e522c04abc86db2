"""Check that PostgreSQL reads the operator's time zone as Python does."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import psycopg

from premade.runtime.errors import CommandError

_COMPARED = tuple(
    datetime(year, month, 15, 12, tzinfo=UTC)
    for year in (1990, 2000, 2010, 2015, 2020, 2024, 2025, 2026)
    for month in (1, 4, 7, 10)
)


class ZonesDiffer(CommandError):
    """PostgreSQL does not know the operator's time zone, or reads it differently from Python."""


def require_same_zone(dsn: str, zone: ZoneInfo) -> None:
    """Compare the zone's local times on both sides, in each quarter of several years.

    Raises:
        ZonesDiffer: they differ, or PostgreSQL does not know the zone.
    """
    with psycopg.connect(dsn, autocommit=True) as connection:
        try:
            rows = connection.execute(
                "SELECT moment AT TIME ZONE %s FROM unnest(%s::timestamptz[]) WITH ORDINALITY AS m (moment, place) "
                "ORDER BY place",
                [str(zone), list(_COMPARED)],
            ).fetchall()
        except psycopg.errors.InvalidParameterValue:
            raise ZonesDiffer("zone_unknown", zone=str(zone)) from None
    for moment, (theirs,) in zip(_COMPARED, rows, strict=True):
        ours = moment.astimezone(zone).replace(tzinfo=None)
        if ours != theirs:
            raise ZonesDiffer("zone_differs", zone=str(zone), moment=moment, theirs=theirs, ours=ours)
