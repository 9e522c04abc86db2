"""A service whose clock is 36 hours ahead for a while: it refuses no valid ticket, and writes down no time that has not come."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

import pytest
from support.shop import CUSTOMER, Seller, Shop, unique
from support.taking_back import caller_of

from premade.activation.activate import Activator
from premade.activation.activation import Activation
from premade.activation.order import OrderMaker
from premade.activation.sale import Draw
from premade.generation.batch_request import BatchRequest
from premade.generation.generate import Generator
from premade.partners.keyring import GateCaller
from premade.partners.keys import rotate_key
from premade.postgres.database import Database
from premade.redemption.inspect import Inspector
from premade.redemption.manual import OF_CALLER, DigitsWrong, ManualEntries, ManualEntry
from premade.redemption.redeem import Redeemer
from premade.redemption.rules import GateRules
from premade.redemption.scan import Entry, PresentedTicket, Scan
from premade.redemption.verdict import Expired, UsedUp
from premade.reissue.reissue import Reissuer, ReissueRequest
from premade.runtime.clock import Runtime
from premade.runtime.errors import TooMany
from premade.stock.release import ReleaseRequest
from premade.stock.reservation import ReservationStatus
from premade.stock.reservations import Reservations
from premade.stock.reserve import ReservationRequest
from premade.tickets.signing import Signers

AHEAD = timedelta(hours=36)
WORLD = Runtime(ZoneInfo("UTC"), now=lambda: datetime.now(UTC) + AHEAD)
GATE = GateCaller("key:1", None, frozenset({"gate:redeem", "gate:manual-entry"}), key_id=1)
DETAILS = ("customer_name", "customer_email", "customer_phone", "payment_reference")
Result = TypeVar("Result")


def ahead(shop: Shop, action: Callable[[Database], Awaitable[Result]]) -> Result:
    """Do it with the service's clock ahead and the database's right."""
    return shop.operate(lambda database, _: action(database))


def today() -> date:
    return datetime.now(UTC).date()


def used_until_today(shop: Shop, seller: Seller) -> tuple[str, int]:
    [code] = seller.tickets()
    assert seller.activate(code).status_code == 200
    shop.sql("UPDATE pre_generated_tickets SET usable_until = %s WHERE ticket_code = %s", today(), code)
    return code, 1


def scan(code: str, uses: int = 1) -> Scan:
    presented = PresentedTicket(code, 1)
    return Scan(GATE, "r", presented, "ferry", uses, "GATE-1", unique("scan"), Entry.SCAN)


def test_a_ticket_on_its_last_day_is_admitted_and_looks_so(shop: Shop) -> None:
    seller = shop.seller()
    code, issue_number = used_until_today(shop, seller)

    looked_at = ahead(
        shop, lambda database: Inspector(database, WORLD).inspect(GATE, PresentedTicket(code, issue_number))
    )
    assert looked_at.refusal is None
    redeemed = ahead(shop, lambda database: Redeemer(database, WORLD).redeem(scan(code)))
    assert redeemed.redeemed_at <= datetime.now(UTC)


def test_the_reason_of_a_refusal_is_the_true_one(shop: Shop) -> None:
    """Used up, and not over: the day that decides also explains."""
    seller = shop.seller()
    code, _ = used_until_today(shop, seller)
    with pytest.raises(UsedUp):
        ahead(shop, lambda database: Redeemer(database, WORLD).redeem(scan(code, uses=9)))
    shop.sql(
        "UPDATE pre_generated_tickets SET usable_until = %s WHERE ticket_code = %s", today() - AHEAD, code
    )
    with pytest.raises(Expired):
        ahead(shop, lambda database: Redeemer(database, WORLD).redeem(scan(code)))


def test_a_ticket_is_reissued_on_its_last_day_of_sale(shop: Shop) -> None:
    seller = shop.seller()
    [code] = seller.tickets(valid_until=today().isoformat())
    asked = ReissueRequest(caller_of(seller), "r", code, "Lost", None)
    done = ahead(shop, lambda database: Reissuer(database, WORLD, Signers(database, WORLD)).reissue(asked))
    assert done.issue_number == 2
    assert done.reissued_at <= datetime.now(UTC)


def test_a_batch_is_sold_until_today_and_was_not_made_tomorrow(shop: Shop) -> None:
    seller = shop.seller()
    wanted = BatchRequest(seller.product_id, 1, unique("BATCH"), valid_until=today())
    batch = ahead(
        shop,
        lambda database: Generator(database, WORLD, Signers(database, WORLD)).generate(
            caller_of(seller), "r", wanted
        ),
    )
    assert batch.created_at <= datetime.now(UTC)
    assert f"-{today().year}-" in batch.tickets[0].ticket_code


def test_a_sale_is_of_now_and_its_days_of_use_count_from_today(shop: Shop) -> None:
    seller = shop.seller(usable_days=2)
    batch = seller.generate(3).json()
    code = batch["tickets"][2]["ticket_code"]
    details = (CUSTOMER["name"], CUSTOMER["email"], CUSTOMER["phone"], "PAY")

    activated = ahead(
        shop,
        lambda database: Activator(database, WORLD).activate(
            Activation(caller_of(seller), "r", code, *details)
        ),
    )
    drawn = ahead(
        shop,
        lambda database: OrderMaker(database, WORLD, Signers(database, WORLD)).draw(
            Draw(
                partner_id=seller.partner_id,
                actor="key:1",
                **dict(zip(DETAILS, details, strict=True)),
                batch_id=batch["batch_id"],
                quantity=2,
            )
        ),
    )

    rows = shop.sql(
        "SELECT DISTINCT usable_until FROM pre_generated_tickets WHERE batch_id = %s", batch["batch_id"]
    )
    assert rows == [{"usable_until": today() + timedelta(days=2)}]
    assert max(activated.activated_at, drawn.activated_at) <= datetime.now(UTC)
    [newest] = shop.sql(
        "SELECT max(occurred_at) AS at FROM audit_events WHERE partner_id = %s", seller.partner_id
    )
    assert newest["at"] <= datetime.now(UTC)


def test_a_hold_that_has_expired_by_one_clock_only_can_be_released(shop: Shop) -> None:
    seller = shop.seller()
    release = ReleaseRequest(caller_of(seller), "r", seller.hold(2))

    released = ahead(shop, lambda database: Reservations(database, WORLD).release(release))

    assert (released.status, released.held) == (ReservationStatus.RELEASED, 0)


def test_a_hold_and_a_rotated_key_do_not_last_longer(shop: Shop) -> None:
    seller = shop.seller()
    caller = caller_of(seller)
    right = seller.reserve().json()
    held = ahead(
        shop,
        lambda database: Reservations(database, WORLD).reserve(
            ReservationRequest(caller, "r", seller.product_id, 1)
        ),
    )
    lasts = datetime.fromisoformat(right["expires_at"]) - datetime.fromisoformat(right["created_at"])
    assert held.expires_at <= datetime.now(UTC) + lasts
    rotated = ahead(shop, lambda database: rotate_key(database, WORLD, seller.key_id, timedelta(hours=1)))
    assert rotated.old_key_ends_at <= datetime.now(UTC) + timedelta(hours=1)


def test_wrong_entries_of_that_time_lock_nobody_out_for_longer(shop: Shop) -> None:
    seller = shop.seller()
    who = GateCaller("key:7", seller.partner_id, frozenset({"gate:manual-entry"}), key_id=seller.key_id)
    typed = ManualEntry(None, "0000", "GATE-1")

    async def type_wrong(database: Database) -> None:
        entries = ManualEntries(database, WORLD, GateRules())
        for _ in range(OF_CALLER.attempts_max):
            with pytest.raises(DigitsWrong):
                await entries.check(who, typed)

    async def type_now(database: Database, runtime: Runtime) -> TooMany:
        with pytest.raises(TooMany) as refused:
            await ManualEntries(database, runtime, GateRules()).check(who, typed)
        return refused.value

    ahead(shop, type_wrong)
    refused = shop.operate(type_now)
    assert 0 < refused.retry_after_seconds <= OF_CALLER.window_seconds
