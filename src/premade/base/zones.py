"""Time zones that Python and PostgreSQL read alike.

Both sides count days. For PostgreSQL a name such as CET is an abbreviation: a fixed offset without summer time. For
Python it is a zone.
"""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, available_timezones

import psycopg

ABBREVIATIONS = {
    "CET": "Europe/Brussels",
    "EET": "Europe/Athens",
    "MET": "Europe/Brussels",
    "WET": "Europe/Lisbon",
    "EST": "America/Panama",
    "MST": "America/Phoenix",
    "HST": "Pacific/Honolulu",
    "EST5EDT": "America/New_York",
    "CST6CDT": "America/Chicago",
    "MST7MDT": "America/Denver",
    "PST8PDT": "America/Los_Angeles",
}
"""Names that PostgreSQL may read as an abbreviation or as a rule of POSIX, and the zone that each stands for."""
_COMPARED = tuple(
    datetime(year, month, 15, 12, tzinfo=UTC)
    for year in (1990, 2000, 2010, 2015, 2020, 2024, 2025, 2026)
    for month in (1, 4, 7, 10)
)
_EXAMPLE = "'Asia/Hong_Kong' would be one"


class ZonesDiffer(Exception):
    """PostgreSQL reads the operator's time zone differently from Python; the message names one to use instead."""


def checked_zone(name: str) -> str:
    """Return the name if it is a zone of the IANA database.

    Raises:
        ValueError: it is not one, or programs read it in different ways.
    """
    # PostgreSQL has no zone of this name.
    if name not in available_timezones() - {"localtime"}:
        message = f"{name!r} is no time zone of the IANA database; {_EXAMPLE}"
        raise ValueError(message)
    if name in ABBREVIATIONS:
        message = f"{name!r} is read in different ways by different programs; use {ABBREVIATIONS[name]!r}"
        raise ValueError(message)
    return name


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
            message = (
                f"PREMADE_TIMEZONE: this PostgreSQL does not know the time zone {str(zone)!r}; {_EXAMPLE}"
            )
            raise ZonesDiffer(message) from None
    for moment, (theirs,) in zip(_COMPARED, rows, strict=True):
        ours = moment.astimezone(zone).replace(tzinfo=None)
        if ours != theirs:
            message = (
                f"PREMADE_TIMEZONE: PostgreSQL and Python read {str(zone)!r} differently: {moment:%Y-%m-%d %H:%M}Z is "
                f"{theirs:%H:%M} for PostgreSQL and {ours:%H:%M} for Python. Use the name of a city; {_EXAMPLE}. If it is one, "
                "update the time zone data of both."
            )
            raise ZonesDiffer(message)
