"""Calendar months in UTC: each has a partition of the audit events, and later a file of the archive."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Self

from premade.texts.fields import field_text

MONTH_PATTERN = r"(?!0000)([0-9]{4})-(0[1-9]|1[0-2])"
_FORM = re.compile(MONTH_PATTERN)
_MONTHS = 12


@dataclass(frozen=True, order=True)
class Month:
    """A month of the calendar, in UTC."""

    year: int
    number: int
    """1 to 12."""

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the month of a text such as `2025-12`.

        Raises:
            ValueError: the text has another form.
        """
        match = _FORM.fullmatch(text)
        if match is None:
            raise ValueError(field_text("time.month"))
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def of(cls, moment: datetime) -> Self:
        """Return the month that the moment is in."""
        utc = moment.astimezone(UTC)
        return cls(utc.year, utc.month)

    @classmethod
    def of_day(cls, day: date) -> Self:
        """Return the month that the day is in."""
        return cls(day.year, day.month)

    @property
    def next(self) -> "Month":
        """The month after this one."""
        return Month(self.year + self.number // _MONTHS, self.number % _MONTHS + 1)

    @property
    def starts_at(self) -> datetime:
        """The first moment."""
        return datetime(self.year, self.number, 1, tzinfo=UTC)

    @property
    def ends_at(self) -> datetime:
        """The first moment of the next month."""
        return self.next.starts_at

    def __str__(self) -> str:
        return f"{self.year:04}-{self.number:02}"
