"""Names of time zones that Python and PostgreSQL read alike.

Both sides count days. For PostgreSQL a name such as CET is an abbreviation: a fixed offset without summer time. For
Python it is a zone.
"""

from zoneinfo import available_timezones

from premade.texts.fields import field_text

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


def checked_zone(name: str) -> str:
    """Return the name if it is a zone of the IANA database.

    Raises:
        ValueError: it is not one, or programs read it in different ways.
    """
    # PostgreSQL has no zone of this name.
    if name not in available_timezones() - {"localtime"}:
        raise ValueError(field_text("setting.zone", zone=name))
    if name in ABBREVIATIONS:
        raise ValueError(field_text("setting.zone_ambiguous", zone=name, use=ABBREVIATIONS[name]))
    return name
