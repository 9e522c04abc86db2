"""A product is added while it can be used: until its last day ends where the operator is."""

from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from support.shop import Shop

from premade.catalog.product import change_product
from premade.runtime.clock import Runtime
from premade.runtime.errors import Invalid

LAST_DAY = date(2026, 3, 31)


@pytest.mark.parametrize(
    ("zone", "last_moment", "midnight"),
    [
        ("Asia/Hong_Kong", "2026-03-31T15:59:59.999Z", "2026-03-31T16:00:00Z"),
        ("America/New_York", "2026-04-01T03:59:59.999Z", "2026-04-01T04:00:00Z"),
    ],
)
def test_a_product_is_added_until_its_last_day_of_use_ends(
    dsn: str, zone: str, last_moment: str, midnight: str
) -> None:
    def shop_at(moment: str) -> Shop:
        return Shop(dsn, "", Runtime(ZoneInfo(zone), now=lambda: datetime.fromisoformat(moment)))

    before, after = shop_at(last_moment), shop_at(midnight)
    product_id = before.seller(usable_until=LAST_DAY).product_id

    with pytest.raises(Invalid, match="^usable_until: Must be today or later$"):
        after.seller(usable_until=LAST_DAY)
    # One that is there may end on a day that is past.
    changed = after.operate(
        lambda database, runtime: change_product(database, runtime, product_id, price=Decimal(1))
    )
    assert changed.usable_until == LAST_DAY
