"""What the service does with tickets and requests whose events are in the archive."""

import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from support.old_months import KEPT, NOW, OLD, OLDEST, archive, at, events, old_shop
from support.shop import Seller, Shop
from support.taking_back import REASON, caller_of
from support.terminal import Operator

from premade.activation.order import OrderMaker
from premade.activation.sale import Draw
from premade.cancellation.cancel import Canceller, CancelRequest
from premade.console.audit.search import EventFilter, search_events
from premade.offline.snapshot import Cursor, Snapshots
from premade.partners.keyring import GateCaller
from premade.postgres.database import Database
from premade.postgres.event_archive.manifest import events_path
from premade.redemption.offline_scan import OfflineScan, ScanConflict
from premade.redemption.redeem import Redeemer
from premade.redemption.rules import GateRules
from premade.redemption.scan import Device, Entry, PresentedTicket, Scan
from premade.redemption.sync import Syncer
from premade.runtime.clock import Runtime
from premade.runtime.errors import ResultArchived
from premade.tickets.lookup import ticket_with_history
from premade.tickets.signing import Signers, Verifiers

GATE = GateCaller("key:7", None, frozenset(), 7)


@dataclass
class Place:
    """A shop whose two oldest months are in the archive. In OLD: two sales, a cancellation, a redemption."""

    shop: Shop
    seller: Seller
    codes: dict[Any, list[str]]
    folder: Path
    cancel: CancelRequest
    draw: Draw
    order_id: str
    scan: Scan
    cursor: str
    """Cursor of the snapshot that a gate fetched before the archive."""

    @property
    def operator(self) -> Operator:
        return Operator(self.shop.dsn)

    def search(self, *arguments: str) -> list[dict[str, Any]]:
        return self.operator.does("archive", "search", "--from", str(self.folder), *arguments)


def snapshot(shop: Shop, since: str | None, now: Callable[[], datetime] | None = None) -> tuple[str, str]:
    """The kind of a snapshot, and its cursor. The snapshot calls `now` after it has checked the cursor."""

    async def lines(database: Database, runtime: Runtime) -> list[bytes]:
        snapshots = Snapshots(database, replace(runtime, now=now or runtime.now))
        async with aclosing(snapshots.lines(GATE, since)) as pieces:
            return b"".join([piece async for piece in pieces]).splitlines()

    first, *_, last = shop.operate(lines)
    return orjson.loads(first)["snapshot"], orjson.loads(last)["next"]


@pytest.fixture(scope="module")
def place(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with old_shop(dsn) as (shop, seller, codes):
        _, cursor = snapshot(shop, None)
        past, caller = at(shop, OLD), caller_of(seller)
        sold, cancelled, *_ = codes[OLD]
        [row] = shop.sql("SELECT batch_id FROM pre_generated_tickets WHERE ticket_code = %s", sold)
        cancel = CancelRequest(caller, "r", cancelled, REASON, "a-key")
        draw = Draw(
            partner_id=seller.partner_id,
            actor=caller.actor,
            customer_name="John Smith",
            customer_email="john@example.com",
            customer_phone="+1234567890",
            payment_reference="PAY",
            batch_id=row["batch_id"],
            quantity=2,
            idempotency_key="a-draw",
        )
        scan = Scan(GATE, "r", PresentedTicket(sold, 1), "ferry", 1, "GATE-1", "scan-1", Entry.SCAN)
        past.operate(lambda d, r: Canceller(d, r).cancel(cancel))
        order = past.operate(lambda d, r: OrderMaker(d, r, Signers(d, r)).draw(draw))
        past.operate(lambda d, r: Redeemer(d, r).redeem(scan))
        folder = tmp_path_factory.mktemp("archive")
        archive(shop, folder)
        yield Place(shop, seller, codes, folder, cancel, draw, order.order_id, scan, cursor)


def test_a_retry_whose_receipt_is_archived_is_never_executed_again(place: Place) -> None:
    before = events(place.shop)
    tickets = "SELECT ticket_code, status, entitlements FROM pre_generated_tickets ORDER BY 1"
    state = place.shop.sql(tickets)
    retries: dict[str, Callable[[Any, Any], Any]] = {
        "cancel": lambda d, r: Canceller(d, r).cancel(place.cancel),
        "draw": lambda d, r: OrderMaker(d, r, Signers(d, r)).draw(place.draw),
        "redeem": lambda d, r: Redeemer(d, r).redeem(place.scan),
    }

    for name, retry in retries.items():
        with pytest.raises(ResultArchived) as refusal:
            place.shop.operate(retry)
        assert refusal.value.executed_at.strftime("%Y-%m") == str(OLD), name
        assert f"executed at {OLD}" in refusal.value.detail or f"recorded at {OLD}" in refusal.value.detail

    assert place.shop.sql(tickets) == state
    assert events(place.shop) == before


def test_the_key_of_an_archived_request_is_not_free_for_another_one(place: Place) -> None:
    other = replace(place.cancel, ticket_code=place.codes[KEPT][1])

    with pytest.raises(ResultArchived):
        place.shop.operate(lambda d, r: Canceller(d, r).cancel(other))


def test_a_history_says_since_when_it_is_complete(place: Place) -> None:
    histories = {
        month: place.shop.operate(
            lambda d, _, code=codes[0]: ticket_with_history(d, place.seller.partner_id, code)
        )
        for month, codes in place.codes.items()
    }

    assert [len(each.history) for each in histories.values()] == [0, 0, 2]
    before = {month: each.ticket.archived_before for month, each in histories.items()}
    assert before == {OLDEST: KEPT.starts_at, OLD: KEPT.starts_at, KEPT: None}


def test_a_search_of_the_audit_record_says_what_it_does_not_read(place: Place) -> None:
    page = place.shop.operate(lambda d, _: search_events(d, EventFilter(), None))

    assert page.archived_before == KEPT.starts_at


def test_a_gate_whose_changes_are_archived_gets_a_full_list(place: Place) -> None:
    kind, cursor = snapshot(place.shop, place.cursor)

    assert kind == "full"
    assert snapshot(place.shop, cursor)[0] == "changes"


def test_an_archive_between_the_check_of_a_cursor_and_its_changes(place: Place) -> None:
    for month in (OLD, OLDEST):
        place.operator.does("archive", "restore", str(month), "--from", str(place.folder))
    assert snapshot(place.shop, place.cursor)[0] == "changes"

    def archive_now() -> datetime:
        archive(place.shop, place.folder)
        return NOW

    assert snapshot(place.shop, place.cursor, archive_now)[0] == "full"


def test_a_cursor_without_an_event_does_not_hide_the_archive(place: Place) -> None:
    cursor = replace(Cursor.read(place.cursor), event_id=0, event_digest="")

    assert snapshot(place.shop, str(cursor))[0] == "full"


def test_a_repeated_offline_scan_whose_receipt_is_archived_is_no_conflict_of_the_ticket(place: Place) -> None:
    before = events(place.shop)
    signer = place.shop.operate(lambda d, r: Signers(d, r).current(place.seller.partner_id, None))
    token = signer.token(place.scan.ticket_code, 1)
    upload = OfflineScan(place.scan.scan_id, token, "ferry", 1, OLD.starts_at)

    [result] = place.shop.operate(
        lambda d, r: Syncer(d, r, Verifiers(d, r), GateRules()).sync(
            Device(GATE, "r", place.scan.device_id), [upload]
        )
    )

    assert isinstance(result, ScanConflict)
    assert (result.code, result.is_recorded) == ("RESULT_ARCHIVED", False)
    assert events(place.shop) == before
    assert place.shop.sql("SELECT FROM gate_counts") == []


def test_search(place: Place) -> None:
    sold, cancelled, *_ = place.codes[OLD]

    def kinds(*arguments: str) -> list[str]:
        return [row["event"] for row in place.search(*arguments)]

    assert kinds("--ticket", sold) == ["ticket.activated", "ticket.redeemed"]
    assert kinds("--ticket", cancelled) == ["ticket.cancelled"]
    assert kinds("--order", place.order_id) == ["ticket.activated"] * 2
    assert kinds("--batch", place.draw.batch_id) == ["batch.generated"]
    assert len(kinds("--partner", place.seller.name)) == 8
    assert kinds("--partner", place.seller.name, "--event", "ticket.cancelled") == ["ticket.cancelled"]
    assert kinds("--event", "ticket.activated", "--month", str(OLDEST)) == ["ticket.activated"]
    limited = place.operator.run(
        "archive",
        "search",
        "--from",
        str(place.folder),
        "--event",
        "ticket.activated",
        "--limit",
        "2",
        "--json",
    )
    assert [row["ticket_code"] for row in json.loads(limited.stdout)] == [place.codes[OLDEST][0], sold]
    assert "only the first 2" in limited.stderr
    assert kinds("--ticket", place.codes[KEPT][0]) == []
    refusals = {
        "Give at least one of": ("--from", str(place.folder)),
        "There are no files of an archive in": ("--from", str(place.folder.parent), "--ticket", sold),
        f"There is no {events_path(place.folder, KEPT)}": (
            "--from",
            str(place.folder),
            "--ticket",
            sold,
            "--month",
            str(KEPT),
        ),
    }
    for refusal, arguments in refusals.items():
        assert refusal in place.operator.is_refused("archive", "search", *arguments)
    without_database = Operator("host=127.0.0.1 port=1 dbname=nowhere")
    found = without_database.does("archive", "search", "--from", str(place.folder), "--ticket", cancelled)
    assert [row["event"] for row in found] == ["ticket.cancelled"]


def test_search_for_people(place: Place) -> None:
    shown = place.operator.shows(
        "archive", "search", "--from", str(place.folder), "--ticket", place.codes[OLD][0]
    )

    assert "ticket.redeemed" in shown
    assert "GATE-1" in shown


def test_events_have_no_personal_data(place: Place) -> None:
    """The customer is in the order, which is not archived."""
    for month in (OLDEST, OLD):
        text = gzip.decompress(events_path(place.folder, month).read_bytes()).decode()
        assert place.seller.name not in text
        for personal in ("John", "john", "example.com", "1234567890"):
            assert personal not in text
        assert [json.loads(line)["event_id"] for line in text.splitlines()]
