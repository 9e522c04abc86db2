"""Clock, randomness, time zone and master keys, passed as an argument so that tests can control them."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from premade.runtime.master_keys import MasterKeys


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _configured_master_keys() -> "MasterKeys":
    from premade.runtime.master_keys import configured_master_keys  # noqa: PLC0415  (its errors need this module)

    return configured_master_keys()


@dataclass(frozen=True)
class Runtime:
    """The clock, the source of randomness, the operator's time zone and the master keys."""

    zone: ZoneInfo
    now: Callable[[], datetime] = _utc_now
    """Returns the current time, aware, in UTC."""
    monotonic_seconds: Callable[[], float] = time.monotonic
    random_bytes: Callable[[int], bytes] = os.urandom
    master_keys: "Callable[[], MasterKeys]" = _configured_master_keys
    """Reads the master keys of the settings."""

    def today(self) -> date:
        """Return the current day in the operator's time zone."""
        return local_time(self.now(), self.zone).date()


def local_time(moment: datetime, zone: tzinfo) -> datetime:
    """Return the moment in a time zone. Convert stored times only with this function: it cannot raise.

    In the first and last hours of the calendar (years 1 and 9999) the result may stay in UTC, since the zone has no such
    day.
    """
    try:
        return moment.astimezone(zone)
    except OverflowError:
        return moment.astimezone(UTC) if moment.tzinfo is UTC else moment.replace(tzinfo=UTC)


def rfc3339(moment: datetime) -> str:
    """Return the moment as RFC 3339 in UTC with milliseconds: `2025-11-04T08:40:00.000Z`."""
    in_utc = moment if moment.tzinfo is UTC else local_time(moment, UTC)
    return in_utc.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
