"""The quota of exports and snapshots at once, over all workers and machines."""

from typing import Any

import pytest
from gate.conftest import gate_of
from support.processes import wait_until
from support.shop import Seller, Shop

from premade.limits.long_reads import LongReads, TooManyLongReads
from premade.partners.limits import set_limits

LIMIT = 2
HELD_ELSEWHERE = (
    "INSERT INTO long_reads (partner_id, place, holder, ends_at)"
    " VALUES (%s, 1, gen_random_uuid(), now() + interval '20 seconds') RETURNING place"
)
END_ALL = "UPDATE long_reads SET ends_at = now() WHERE partner_id = %s RETURNING place"
IN_USE = "SELECT place FROM long_reads WHERE partner_id = %s AND ends_at > now()"


def test_workers_share_the_places_and_a_crashed_one_loses_them(shop: Shop) -> None:
    partner = shop.seller().partner_id

    def in_use() -> int:
        return len(shop.sql(IN_USE, partner))

    async def run(database: Any, runtime: Any) -> None:
        one, other = (LongReads(database, runtime, LIMIT) for _ in range(2))
        async with one.place(partner, {}):
            async with other.place(partner, {}):
                with pytest.raises(TooManyLongReads) as refused:
                    await one.place(partner, {}).__aenter__()
                assert (refused.value.quota, refused.value.limit) == ("long-reads", LIMIT)
                async with one.place(partner, {"long-reads": LIMIT + 1}), one.place(None, {}):
                    assert in_use() == LIMIT + 1
                async with one.place(partner, {"long-reads": 0}):
                    assert in_use() == LIMIT
            assert in_use() == 1
            # Nobody renewed this one: its worker may have crashed. Somebody else takes it.
            shop.sql(END_ALL, partner)
            async with other.place(partner, {"long-reads": 1}):
                await one.renew()
                assert in_use() == 1
            assert in_use() == 0
            await one.renew()
            assert in_use() == 0, "the place is not its own any more"

    shop.operate(run)


def test_a_place_from_before_the_clock_went_back_is_free(shop: Shop) -> None:
    partner = shop.seller().partner_id

    async def run(database: Any, runtime: Any) -> None:
        reads = LongReads(database, runtime, 1)
        async with reads.place(partner, {}):
            pass
        shop.sql(
            "UPDATE long_reads SET ends_at = ends_at + interval '1 hour' WHERE partner_id = %s RETURNING place",
            partner,
        )
        async with reads.place(partner, {}):
            with pytest.raises(TooManyLongReads):
                await reads.place(partner, {}).__aenter__()

    shop.operate(run)


def test_a_place_is_renewed(shop: Shop) -> None:
    partner = shop.seller().partner_id

    async def run(database: Any, runtime: Any) -> None:
        reads = LongReads(database, runtime, LIMIT)
        async with reads.place(partner, {}):
            shop.sql(END_ALL, partner)
            await reads.renew()
            assert len(shop.sql(IN_USE, partner)) == 1

    shop.operate(run)


def test_exports_and_snapshots_over_the_quota_get_429(shop: Shop, seller: Seller) -> None:
    # Before the first request, so that no process knows the key without it.
    shop.operate(lambda database, runtime: set_limits(database, runtime, seller.name, {"long-reads": 1}))
    batch = seller.generate(1).json()["batch_id"]
    gate = gate_of(shop, seller.name)
    reads = [
        (seller.http, f"/api/ota/batches/{batch}/tickets.csv"),
        (seller.http, f"/api/ota/batches/{batch}/tickets"),
        (gate.http, "/api/gate/snapshot"),
    ]
    shop.sql(HELD_ELSEWHERE, seller.partner_id)
    refused = [http.get(path) for http, path in reads]
    shop.sql(END_ALL, seller.partner_id)
    served = [http.get(path) for http, path in reads]

    assert {answer.status_code for answer in refused} == {429}
    assert {answer.json()["code"] for answer in refused} == {"TOO_MANY_LONG_READS"}
    assert {(answer.json()["quota"], answer.json()["limit"]) for answer in refused} == {("long-reads", 1)}
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in refused)
    assert {answer.status_code for answer in served} == {200}
    # A place is given back after the response is sent.
    wait_until(lambda: not shop.sql(IN_USE, seller.partner_id), "all places are free")
