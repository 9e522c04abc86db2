"""The minor releases of PostgreSQL and their days, as known when this version of premade was released."""

from datetime import date

SUPPORTED = (15, 18)
"""The first and the last major version that premade supports."""
_MINOR_RELEASES: dict[date, dict[int, int]] = {
    date(2026, 8, 13): {15: 19, 16: 15, 17: 11, 18: 6},
    date(2026, 5, 14): {15: 18, 16: 14, 17: 10, 18: 4},
    date(2026, 2, 26): {15: 17, 16: 13, 17: 9, 18: 3},
    date(2026, 2, 12): {15: 16, 16: 12, 17: 8, 18: 2},
    date(2025, 11, 13): {15: 15, 16: 11, 17: 7, 18: 1},
    date(2025, 9, 25): {18: 0},
    date(2025, 8, 14): {15: 14, 16: 10, 17: 6},
    date(2025, 5, 8): {15: 13, 16: 9, 17: 5},
    date(2025, 2, 20): {15: 12, 16: 8, 17: 4},
    date(2025, 2, 13): {15: 11, 16: 7, 17: 3},
    date(2024, 11, 21): {15: 10, 16: 6, 17: 2},
    date(2024, 11, 14): {15: 0, 16: 0, 17: 0},
}
"""The newest first: the minor version of each major one. The last entry stands for all older ones."""


def released_on(major: int, minor: int) -> date | None:
    """Return the day of a minor release, or None for one that is not known yet. For an old one, return the first known day."""
    days = [day for day, minors in _MINOR_RELEASES.items() if minors.get(major, minor + 1) <= minor]
    newest = max((minors[major] for minors in _MINOR_RELEASES.values() if major in minors), default=-1)
    return max(days) if days and minor <= newest else None
