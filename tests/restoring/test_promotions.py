"""A code, an order id and a reservation id are given out once: standbys that are promoted."""

import time
from pathlib import Path

import pytest
from support.cluster import cluster, needs_standalone
from support.lives import WORLD, Till, assert_nothing_repeats, confirm, restorations, till
from support.service import environment_for, running_service
from support.shop import Seller, Shop

from premade.bootstrap import bring_up_to_date


@pytest.mark.nightly
@needs_standalone
def test_a_standby_that_lost_the_last_sales_is_promoted() -> None:
    with cluster() as primary, cluster() as standby:
        primary.initialise()
        primary.start()
        bring_up_to_date(primary.dsn, WORLD)
        shop = till(primary.dsn)
        before = shop.live()
        standby.follow(primary)
        standby.start()
        # Whatever follows never reaches it.
        primary.execute("SELECT pg_wal_replay_pause()") if False else standby.execute(
            "SELECT pg_wal_replay_pause()"
        )
        standby.stop()
        lost = shop.live()
        primary.stop("immediate")
        standby.start()
        standby.promote()
        promoted = Till(standby.dsn, shop.seller)

        promoted.is_refused()
        confirm(standby.dsn)
        after = promoted.live(burst=0)

        assert before.key_ids == lost.key_ids
        assert len({*before.codes, *lost.codes, *after.codes}) == 60
        assert len({*before.ids, *lost.ids, *after.ids}) == 18
        assert_nothing_repeats(lost, after)
        assert promoted.kind_of_snapshot(lost.cursor) == "full"
        [told] = restorations(standby.dsn)
        assert "another timeline" in told["data"]["noticed_by"]


@needs_standalone
@pytest.mark.nightly
def test_a_promotion_under_a_running_service(tmp_path: Path) -> None:
    with cluster() as primary, cluster() as standby:
        primary.initialise()
        primary.start()
        bring_up_to_date(primary.dsn, WORLD)
        either = f"host={primary.folder},{standby.folder} user=premade dbname=postgres target_session_attrs=read-write"
        with running_service(environment_for(either), tmp_path / "log") as service:
            seller = Shop(primary.dsn, service.url).seller()
            standby.follow(primary)
            lost = seller.generate(100).json()["tickets"]
            primary.execute("SELECT take_logical_ms('ticket_code_ms', 60000)")
            lost += seller.generate(100).json()["tickets"]
            primary.stop("immediate")
            standby.start()
            standby.promote()

            after, refusals = until_made(seller)

            assert set(refusals) <= {"DATABASE_AWAY", "DATABASE_RESTORED", "BUSY"}
            codes = [ticket["ticket_code"] for ticket in [*lost, *after]]
            assert len(set(codes)) == 300
            keys = [{ticket["qr_token"].split(":")[3] for ticket in tickets} for tickets in (lost, after)]
            assert keys[0].isdisjoint(keys[1])
            assert len(restorations(standby.dsn)) == 1
            assert [line["event"] for line in service.log_lines()].count("database.restored") == 1


def until_made(seller: Seller) -> tuple[list[dict[str, str]], list[str]]:
    """The tickets of the first batch that is made, and what was answered before."""
    refusals: list[str] = []
    deadline = time.monotonic() + 60
    while True:
        answer = seller.generate(100)
        if answer.status_code == 201:
            return answer.json()["tickets"], refusals
        assert answer.status_code == 503, answer.text
        assert answer.headers["retry-after"]
        refusals.append(answer.json()["code"])
        assert time.monotonic() < deadline, refusals
        time.sleep(0.1)
