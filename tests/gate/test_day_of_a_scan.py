"""A day is the operator's, and of a scan without network that of the scan."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from premade.redemption.verdict import Judge

HONG_KONG, HONOLULU = ZoneInfo("Asia/Hong_Kong"), ZoneInfo("Pacific/Honolulu")


@pytest.mark.parametrize(
    ("zone", "moment", "day"),
    [
        (HONG_KONG, datetime(2026, 3, 31, 15, 59, 59, tzinfo=UTC), date(2026, 3, 31)),
        (HONG_KONG, datetime(2026, 3, 31, 16, 0, tzinfo=UTC), date(2026, 4, 1)),
        (HONOLULU, datetime(2026, 4, 1, 9, 59, 59, tzinfo=UTC), date(2026, 3, 31)),
        # A clock that was never set: the day before has no name, and a use must not be lost for it.
        (HONOLULU, datetime(1, 1, 1, tzinfo=UTC), date(1, 1, 1)),
        (HONG_KONG, datetime(1, 1, 1, tzinfo=UTC), date(1, 1, 1)),
    ],
)
def test_the_day_of_a_scan_is_that_of_the_operator_s_zone(
    zone: ZoneInfo, moment: datetime, day: date
) -> None:
    assert Judge(zone).day_of(moment) == day
