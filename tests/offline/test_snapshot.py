"""What a device may admit without network: all of it, only that, and as it is at one moment."""

import asyncio
import base64
import gzip
import json
import os
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from random import Random
from typing import Any

import httpx
import orjson
import psycopg
import pytest
from starlette.requests import ClientDisconnect
from support.gate import SNAPSHOT, Device, gate_client
from support.service import Service
from support.shop import Seller, Shop
from support.taking_back import USED_UP

from premade.http import streaming
from premade.offline import snapshot
from premade.offline.snapshot import LIMITS, LIVE, Cursor, Snapshots, SnapshotsBusy
from premade.partners.keyring import GateCaller
from premade.postgres.database import Database, open_database
from premade.runtime.clock import Runtime
from premade.runtime.errors import DatabaseAway
from premade.tickets.signing import sql as signing

USES = {"ferry": 2, "gift": 1, "tokens": 10}


@pytest.fixture
def device(seller: Seller, shop: Shop) -> Device:
    return Device(gate_client(shop, seller.name))


def sold(seller: Seller, quantity: int) -> list[str]:
    codes = seller.tickets(quantity)
    for code in codes:
        assert seller.activate(code).status_code == 200
    return codes


def active(shop: Shop, seller: Seller) -> dict[str, dict[str, Any]]:
    """What the table says."""
    rows = shop.sql(
        "SELECT ticket_code, issue_number, entitlements, usable_until::text FROM pre_generated_tickets"
        " WHERE partner_id = %s AND status = 'ACTIVE'",
        seller.partner_id,
    )
    return {row["ticket_code"]: listed(row) for row in rows}


def listed(row: dict[str, Any]) -> dict[str, Any]:
    uses = {given["function_code"]: given["remaining_uses"] for given in row.pop("entitlements")}
    return {**row, "uses": uses}


CHANGE = {
    "redeem": (
        "ticket.redeemed",
        (
            "UPDATE pre_generated_tickets SET first_used_at = now(), entitlements = jsonb_set(entitlements,"
            " '{2,remaining_uses}', to_jsonb((entitlements #>> '{2,remaining_uses}')::integer - 1))"
            " WHERE ticket_code = %s AND status = 'ACTIVE' AND (entitlements #>> '{2,remaining_uses}')::integer > 0"
        ),
    ),
    "use_up": (
        "ticket.redeemed",
        f"UPDATE pre_generated_tickets SET {USED_UP} WHERE ticket_code = %s AND status = 'ACTIVE'",
    ),
    "cancel": (
        "ticket.cancelled",
        (
            "UPDATE pre_generated_tickets SET status = 'CANCELLED'"
            " WHERE ticket_code = %s AND status IN ('ACTIVE', 'PRE_GENERATED') AND first_used_at IS NULL"
        ),
    ),
    "reissue": (
        "ticket.reissued",
        "UPDATE pre_generated_tickets SET issue_number = issue_number + 1 WHERE ticket_code = %s AND status IN ('ACTIVE', 'PRE_GENERATED')",
    ),
}


def change(connection: psycopg.Connection, seller: Seller, what: str, code: str) -> None:
    """As the product's own statements do: the change and its audit event in one transaction."""
    event, update = CHANGE[what]
    if connection.execute(update.encode(), [code]).rowcount:
        connection.execute(
            "INSERT INTO audit_events (partner_id, event, actor, ticket_code, occurred_at) VALUES (%s, %s, 'key:1', %s, now())",
            [seller.partner_id, event, code],
        )


def test_a_full_snapshot_lists_every_active_ticket_of_the_partner_and_no_other(
    seller: Seller, shop: Shop, device: Device
) -> None:
    [code] = sold(seller, 1)
    seller.tickets(1)
    sold(shop.seller(), 1)

    device.sync()

    assert device.tickets == {
        code: {"ticket_code": code, "issue_number": 1, "uses": USES, "usable_until": None}
    }
    assert device.kinds == ["full"]


def test_the_operator_s_key_is_told_of_every_partner_s_tickets(shop: Shop) -> None:
    first, second = shop.seller(usable_days=7), shop.seller()
    device = Device(gate_client(shop, None))

    device.sync()
    [one], [other] = sold(first, 1), sold(second, 1)
    device.sync()

    assert device.kinds == ["full", "changes"]
    assert {one, other} <= set(device.tickets)
    assert device.tickets[one] == active(shop, first)[one]
    assert device.tickets[one]["usable_until"] is not None
    again = Device(gate_client(shop, None))
    again.sync()
    assert again.tickets == device.tickets


def test_changes_tell_what_became_of_a_ticket(seller: Seller, shop: Shop, device: Device, dsn: str) -> None:
    used, cancelled, reissued, touched = sold(seller, 4)
    unsold = seller.tickets(1)[0]
    device.sync()

    with psycopg.connect(dsn) as connection:
        for what, code in (
            ("use_up", used), ("cancel", cancelled), ("reissue", reissued), ("redeem", touched), ("reissue", unsold),
        ):  # fmt: skip
            change(connection, seller, what, code)
    told = {line["ticket_code"]: line for line in device.sync()}

    assert told.keys() == {used, cancelled, reissued, touched}
    assert told[used] == {"ticket_code": used, "gone": "USED"}
    assert told[cancelled] == {"ticket_code": cancelled, "gone": "CANCELLED"}
    assert told[reissued]["issue_number"] == 2
    assert told[touched]["uses"] == {**USES, "tokens": 9}
    assert device.sync() == []


def test_a_commit_that_comes_late_is_told_by_the_next_snapshot(
    seller: Seller, shop: Shop, device: Device, dsn: str
) -> None:
    early, late = sold(seller, 2)
    with psycopg.connect(dsn) as slow:
        change(slow, seller, "use_up", late)
        with psycopg.connect(dsn) as quick:
            change(quick, seller, "use_up", early)
        device.sync()
        assert set(device.tickets) == {late}
        device.sync()
        assert set(device.tickets) == {late}
        slow.commit()

    device.sync()

    assert device.tickets == {}
    assert device.kinds == ["full", "changes", "changes"]


def keep_changing(dsn: str, seller: Seller, codes: list[str], seed: int, ended: threading.Event) -> None:
    """Transactions of any length; a third of them stay open for a while, a tenth are taken back."""
    random = Random(seed)
    with psycopg.connect(dsn) as connection:
        while not ended.is_set():
            for code in sorted(random.sample(codes, random.randint(1, 4))):
                change(connection, seller, random.choice(["redeem", "use_up", "cancel", "reissue"]), code)
            if random.random() < 0.3:
                ended.wait(random.random() / 2)
            if random.random() < 0.1:
                connection.rollback()
            else:
                connection.commit()


def keep_selling(seller: Seller, shop: Shop, codes: list[str], ended: threading.Event) -> None:
    with shop.client(seller.key) as http:
        for code in codes:
            answer = http.post(
                f"/api/ota/tickets/{code}/activate",
                json={
                    "customer_details": {"name": "A", "email": "a@example.com", "phone": "+1234567890"},
                    "payment_reference": "P",
                },
            )
            assert answer.status_code in (200, 409), answer.text
            if ended.wait(0.003):
                return


@contextmanager
def writers(dsn: str, seller: Seller, shop: Shop, codes: list[str], count: int) -> Generator[None]:
    ended = threading.Event()
    with ThreadPoolExecutor(count + 1) as threads:
        running = [
            threads.submit(keep_changing, dsn, seller, codes[number::count], number, ended)
            for number in range(count)
        ]
        running.append(threads.submit(keep_selling, seller, shop, codes, ended))
        try:
            yield
        finally:
            ended.set()
        for done in running:
            done.result()


@pytest.mark.nightly
def test_whatever_commits_meanwhile_a_device_knows_the_table_exactly(
    seller: Seller, shop: Shop, device: Device, dsn: str
) -> None:
    codes = [code for _ in range(8) for code in seller.tickets(100)]
    late = Device(device.http)
    with writers(dsn, seller, shop, codes, 6):
        until = time.monotonic() + 8
        while time.monotonic() < until:
            device.sync()
            if len(device.kinds) == 20:
                late.sync()
        late.sync()
    device.sync()
    late.sync()

    truth = active(shop, seller)
    assert device.tickets == truth
    assert late.tickets == truth
    assert Counter(device.kinds)["full"] == 1
    assert len(device.kinds) > 50
    assert len(truth) > 20
    states = {
        row["status"]
        for row in shop.sql(
            "SELECT status FROM pre_generated_tickets WHERE partner_id = %s", seller.partner_id
        )
    }
    assert states >= {"ACTIVE", "USED", "CANCELLED"}


def other_cursor(device: Device, **changes: Any) -> str:
    assert device.since is not None
    cursor = Cursor.read(device.since)
    return str(Cursor(**{**vars(cursor), **changes}))


def test_a_cursor_that_the_changes_do_not_lead_from_gets_a_full_snapshot(
    seller: Seller, shop: Shop, device: Device
) -> None:
    [code] = sold(seller, 1)
    device.sync()
    assert device.since is not None
    known = Cursor.read(device.since)
    foreign = {
        "another database's": {"incarnation": "0f7f3f9e-7f1c-4d0e-9a53-3f4f6f0a2c11"},
        "that has seen an event which is not in the record": {"event_id": known.event_id + 10**6},
        "that has seen another event of the same id": {"event_digest": "0" * 16},
        "of what is still to come": {"oldest_open": known.oldest_open + 10**9},
        "another partner's": {"of": seller.partner_id + 1},
        "the operator's": {"of": LIVE},
        "the operator's of before, with test tickets in it": {"of": None},
    }

    for changes in foreign.values():
        device.since = other_cursor(device, **changes)
        device.sync()

    assert device.kinds == ["full"] * (1 + len(foreign))
    assert set(device.tickets) == {code}


def gate_caller(seller: Seller) -> GateCaller:
    return GateCaller("key:0", seller.partner_id, frozenset())


def test_a_cursor_that_is_too_old_gets_a_full_snapshot(
    shop: Shop, seller: Seller, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    device.sync()
    assert device.since is not None
    old = other_cursor(device, oldest_open=Cursor.read(device.since).oldest_open - 1)

    async def kind_of_snapshot(_: Database, runtime: Runtime) -> str:
        async with open_database(shop.dsn, connections_max=2) as wide:
            piece = await anext(Snapshots(wide, runtime).lines(gate_caller(seller), old))
            return json.loads(piece.splitlines()[0])["snapshot"]

    assert shop.operate(kind_of_snapshot) == "changes"
    monkeypatch.setattr(snapshot, "CHANGES_TRANSACTIONS_MAX", 0)
    assert shop.operate(kind_of_snapshot) == "full"


def test_a_cursor_of_an_earlier_version_gets_a_full_snapshot(device: Device) -> None:
    device.sync()
    assert device.since is not None
    known = Cursor.read(device.since)
    told = ["7713.16384.16900.00000001", known.of, known.oldest_open]
    device.since = base64.urlsafe_b64encode(orjson.dumps(told)).decode().rstrip("=")

    device.sync()

    assert device.kinds == ["full", "full"]


def test_what_happened_after_the_newest_event_of_the_cursor_is_told_whatever_its_transaction(
    shop: Shop, seller: Seller, device: Device
) -> None:
    """A database that was put back counts transactions anew, and soon passes those that the cursor has seen."""
    device.sync()
    assert device.since is not None
    [sold_since] = sold(seller, 1)
    [row] = shop.sql("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS oldest_open")
    device.since = other_cursor(device, oldest_open=row["oldest_open"])

    device.sync()

    assert device.kinds == ["full", "changes"]
    assert set(device.tickets) == {sold_since}


@pytest.mark.parametrize(
    "since",
    ["", "x", "!", "AAAA", "bnVsbA", "W10", "\0", "é", "W" * 5000]
    + [
        base64.urlsafe_b64encode(orjson.dumps(told)).decode().rstrip("=")
        for told in (
            ["a", 1, -1],
            ["a", 1, 2**63],
            ["a", 1, True],
            [1, 1, 1],
            ["a", 1],
            ["a", 1, 1, 1],
            ["a", 1, 1, -1, ""],
            ["a", 1, 1, 2**63, ""],
            ["a", 1, 1, 1, None],
            ["a", 1, 1, 1, "", ""],
            {"a": 1, "b": 2, "c": 3},
        )
    ],
)
def test_a_cursor_that_is_none_is_named_as_invalid(device: Device, since: str) -> None:
    answer = device.http.get(SNAPSHOT, params={"since": since})

    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_REQUEST")
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["pointer"] for error in answer.json()["errors"]] == ["query#/since"]


def test_only_a_gate_s_key_opens_it(seller: Seller, shop: Shop) -> None:
    assert shop.client().get(SNAPSHOT).json()["code"] == "API_KEY_MISSING"
    refused = seller.http.get(SNAPSHOT)
    assert (refused.status_code, refused.json()["code"]) == (403, "PERMISSION_MISSING")


def test_it_is_json_lines_and_always_compressed(seller: Seller, device: Device) -> None:
    sold(seller, 3)

    with device.http.stream("GET", SNAPSHOT) as answer:
        raw = b"".join(answer.iter_raw())

    assert (answer.headers["content-type"], answer.headers["content-encoding"]) == (
        "application/x-ndjson",
        "gzip",
    )
    lines = gzip.decompress(raw).decode().splitlines()
    assert json.loads(lines[0])["snapshot"] == "full"
    assert json.loads(lines[0])["made_at"].endswith("Z")
    assert json.loads(lines[0])["time_zone"] == "UTC"
    assert json.loads(lines[0])["test"] is False
    assert json.loads(lines[-1]).keys() == {"next", "tickets"}
    assert len(lines) == 5


def test_more_at_once_than_a_process_allows_are_told_to_come_again(
    shop: Shop, seller: Seller, device: Device
) -> None:
    device.sync()
    since = device.since

    async def fetch_beside_another(_: Database, runtime: Runtime) -> None:
        async with open_database(shop.dsn, connections_max=4) as wide:
            snapshots = Snapshots(wide, runtime, replace(LIMITS, read_wait_seconds_max=0.05))
            held = snapshots.lines(gate_caller(seller), None)
            await anext(held)
            with pytest.raises(SnapshotsBusy):
                await anext(snapshots.lines(gate_caller(seller), None))
            # Changes take moments, and do not wait for those that read everything.
            assert b"changes" in await anext(snapshots.lines(gate_caller(seller), since))
            await held.aclose()
            # Its turn came back, and its connection.
            assert b"full" in await anext(snapshots.lines(gate_caller(seller), None))

    shop.operate(fetch_beside_another)


LONG_READS = "application_name LIKE 'premade %%' AND query LIKE 'FETCH FORWARD%%' AND state <> 'idle'"


def long_reads(shop: Shop) -> int:
    return len(shop.sql(f"SELECT FROM pg_stat_activity WHERE {LONG_READS}"))


BYTES_OF_A_MILLION_MAX = 20_000_000
ORDINARY = 20_000


def test_a_million_tickets_would_fit_into_20_megabytes(shop: Shop, seller: Seller, device: Device) -> None:
    [code] = sold(seller, 1)
    with psycopg.connect(shop.dsn, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        # Their codes as far apart as codes of several batches are, and each used in another way.
        connection.execute(
            """INSERT INTO pre_generated_tickets (
                ticket_code, partner_id, product_id, batch_id, qr_code, entitlements, price, currency, created_at, status,
                activated_at, order_id, issue_number, usable_until
            )
            SELECT 'PLAIN-2025-FERRY-' || (1762274285982 + n * 7919), partner_id, product_id, batch_id, qr_code,
                   jsonb_set(entitlements, '{2,remaining_uses}', to_jsonb(n * 31 %% 11)), price, currency, created_at,
                   status, activated_at, order_id, 1 + n %% 3, date '2026-01-01' + n * 17 %% 300
            FROM pre_generated_tickets, generate_series(1, %s) AS n WHERE ticket_code = %s""",
            [ORDINARY, code],
        )
        try:
            with device.http.stream("GET", SNAPSHOT) as answer:
                raw = b"".join(answer.iter_raw())
        finally:
            connection.execute("DELETE FROM pre_generated_tickets WHERE ticket_code LIKE 'PLAIN-2025-%'")

    assert len(gzip.decompress(raw).splitlines()) == ORDINARY + 1 + 2
    assert len(raw) / ORDINARY < BYTES_OF_A_MILLION_MAX / 1_000_000


@pytest.fixture
def many(shop: Shop, seller: Seller) -> Iterator[int]:
    """ACTIVE tickets of more text than fits between a server and a client that does not read."""
    [code] = sold(seller, 1)
    with psycopg.connect(shop.dsn, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        made = connection.execute(
            """INSERT INTO pre_generated_tickets (
                ticket_code, partner_id, product_id, batch_id, qr_code, entitlements, price, currency, created_at, status,
                activated_at, order_id
            )
            SELECT 'MANY-2025-MANY-' || (9000000000000 + n), partner_id, product_id, batch_id, qr_code, (
                SELECT jsonb_agg(jsonb_build_object('function_code', md5((n * 1000 + f)::text), 'remaining_uses', f))
                FROM generate_series(1, 110) AS f
            ), price, currency, created_at, status, activated_at, order_id
            FROM pre_generated_tickets, generate_series(1, 8000) AS n WHERE ticket_code = %s""",
            [code],
        ).rowcount
        yield made + 1
        connection.execute("DELETE FROM pre_generated_tickets WHERE ticket_code LIKE 'MANY-2025-%'")


@pytest.mark.nightly
def test_a_client_that_goes_away_ends_the_transaction(
    service: Service, shop: Shop, many: int, device: Device
) -> None:
    with device.http.stream("GET", SNAPSHOT) as answer:
        assert next(answer.iter_raw())

    def told() -> list[object]:
        mine = answer.headers["x-request-id"]
        return [line["event"] for line in service.log_lines() if line.get("request_id") == mine]

    wait_until(lambda: len(told()) == 2)
    assert told() == ["http.client_went_away", "http.request"]
    assert long_reads(shop) == 0
    device.sync()
    assert len(device.tickets) == many


@pytest.mark.nightly
def test_what_breaks_off_in_the_middle_has_no_end(
    service: Service, shop: Shop, many: int, device: Device
) -> None:
    with device.http.stream("GET", SNAPSHOT) as answer:
        pieces = answer.iter_raw()
        got = [next(pieces)]
        shop.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {LONG_READS}")
        with pytest.raises(httpx.RemoteProtocolError):
            got.extend(pieces)

    with pytest.raises(EOFError):
        gzip.decompress(b"".join(got))

    def told() -> list[tuple[object, object]]:
        mine = [
            line for line in service.log_lines() if line.get("request_id") == answer.headers["x-request-id"]
        ]
        return [(line["event"], line.get("code")) for line in mine]

    wait_until(lambda: ("http.request", None) in told())
    assert ("http.stream_broken_off", "DATABASE_AWAY") in told()
    device.sync()
    assert len(device.tickets) == many


def test_a_client_that_takes_nothing_has_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "SEND_SECONDS_MAX", 0.05)
    ended: list[str] = []

    async def pieces() -> AsyncGenerator[bytes]:
        try:
            while True:
                yield os.urandom(100_000)
        finally:
            ended.append("pieces")

    async def never(*_: Any) -> Any:
        await asyncio.Event().wait()

    async def answer() -> None:
        begun = await streaming.begin_answer(streaming.Stream(pieces(), "application/x-ndjson"))
        with pytest.raises(ClientDisconnect):
            await begun({"type": "http"}, never, never)

    asyncio.run(answer())

    assert ended == ["pieces"]


def test_a_long_read_sees_one_moment_and_changes_nothing(shop: Shop, seller: Seller) -> None:
    activated = sold(seller, 1)

    async def read_twice(database: Database, runtime: Runtime) -> list[Any]:
        async with database.long_read(whole_tables=True) as read:
            counts = [
                len(
                    await read.fetch_all(
                        snapshot.sql.active_tickets, partner_id=seller.partner_id, is_test=False
                    )
                )
            ]
            await asyncio.to_thread(sold, seller, 1)
            counts.append(
                len(
                    await read.fetch_all(
                        snapshot.sql.active_tickets, partner_id=seller.partner_id, is_test=False
                    )
                )
            )
            with pytest.raises(DatabaseAway):
                await read.fetch_all(signing.retire_key, key_id="K1", now=runtime.now())
        return counts

    assert shop.operate(read_twice) == [len(activated)] * 2


def wait_until(is_so: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.05)
