"""Stored times near the ends of the calendar are shown, in every time zone: no conversion of them fails."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from premade.console.rendering import Templates
from premade.redemption.verdict import Judge, TicketAtScan, Use, UsedUp
from premade.runtime.clock import Runtime, local_time, rfc3339

ENDS = [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)]
ZONES = [ZoneInfo(name) for name in ("Pacific/Honolulu", "Asia/Hong_Kong", "Pacific/Kiritimati", "UTC")]


@pytest.mark.parametrize("zone", ZONES, ids=str)
@pytest.mark.parametrize("moment", ENDS, ids=["first", "last"])
def test_no_conversion_of_a_stored_time_fails(moment: datetime, zone: ZoneInfo) -> None:
    assert abs((local_time(moment, zone).date() - moment.date()).days) <= 1
    assert rfc3339(moment).startswith(f"{moment.year:04d}-")
    assert rfc3339(moment.replace(tzinfo=zone)).endswith("Z")
    assert Runtime(zone, now=lambda: moment).today().year == moment.year
    last_use = Use("GATE-1", "scan-1", moment)
    gone = TicketAtScan("C", "USED", 1, moment, date(moment.year, moment.month, moment.day), [], last_use)
    told = Judge(zone).refusal(gone, 1, date(1, 1, 1))
    assert isinstance(told, UsedUp)
    assert "GATE-1" in told.detail


@pytest.mark.parametrize("zone", ZONES, ids=str)
@pytest.mark.parametrize("moment", ENDS, ids=["first", "last"])
def test_pages_show_every_stored_time(moment: datetime, zone: ZoneInfo) -> None:
    filters = Templates(Runtime(zone))._environment.filters  # pyright: ignore[reportPrivateUsage]

    assert {filters[name](moment)[-6:] != "" for name in ("moment", "minute", "exact")} == {True}
    assert filters["moment"](moment.isoformat())
