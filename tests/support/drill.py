"""The restore drill: who follows the database by cursor, and what must hold when they come back after a restore."""

from dataclasses import dataclass, field

from support.followers import Gate, Source, assert_follows, rest
from support.lives import Life, assert_nothing_repeats
from support.shop import Seller, Shop


@dataclass
class Followers:
    """Two devices and a partner. One device and the partner's pages know what the restore forgets."""

    early: Gate = field(default_factory=Gate)
    late: Gate = field(default_factory=Gate)
    tickets_cursor: str | None = None
    orders_cursor: str | None = None

    def read_lost(self, source: Source) -> None:
        """The last reads before the database is lost: the cursors name lost tickets and orders."""
        assert self.late.sync(source) == "full"
        _, self.tickets_cursor = source.tickets(None)
        _, self.orders_cursor = source.orders(None)
        assert self.tickets_cursor
        assert self.orders_cursor


def assert_come_back(followers: Followers, source: Source, shop: Shop, lost: Life) -> None:
    """Devices get a full list of what is sold, and then changes. Pages continue with the rows that still exist."""
    for gate in (followers.early, followers.late):
        assert gate.sync(source) == "full"
        assert gate.codes == active(shop)
        assert gate.codes.isdisjoint(lost.codes)
        assert gate.sync(source) == "changes"
        assert gate.codes == active(shop)

    tickets, orders = codes(shop), order_ids(shop)
    assert_follows(rest(source.tickets, None), tickets)
    assert_follows(rest(source.orders, None), orders)
    # A partner that was between two pages: what follows its cursor is what was before the lost rows.
    known = [code for code in tickets if code < min(lost.codes)]
    assert_follows(rest(source.tickets, followers.tickets_cursor), known)
    assert_follows(
        rest(source.orders, followers.orders_cursor), [each for each in orders if each < min(lost.orders)]
    )
    assert lost.codes[0] not in tickets


def assert_goes_on(followers: Followers, source: Source, shop: Shop, after: Life, lost: Life) -> None:
    """New ids are above all lost ones, so a partner that looks for newer ones finds each."""
    assert_nothing_repeats(lost, after)
    assert min(after.codes) > max(lost.codes)
    assert min(after.orders) > max(lost.orders)
    for gate in (followers.early, followers.late):
        assert gate.sync(source) == "changes"
        assert gate.codes == active(shop)
        assert set(after.sold) <= gate.codes
    assert_follows(rest(source.tickets, None), codes(shop))
    newest = rest(source.orders, None)[: len(after.orders)]
    assert sorted(newest) == sorted(after.orders)


def active(shop: Shop) -> set[str]:
    rows = shop.sql("SELECT ticket_code FROM pre_generated_tickets WHERE status = 'ACTIVE'")
    return {row["ticket_code"] for row in rows}


def codes(shop: Shop) -> list[str]:
    rows = shop.sql("SELECT ticket_code FROM pre_generated_tickets ORDER BY created_at DESC, ticket_id DESC")
    return [row["ticket_code"] for row in rows]


def order_ids(shop: Shop) -> list[str]:
    return [row["order_id"] for row in shop.sql("SELECT order_id FROM ota_orders ORDER BY order_id DESC")]


def newest_event(shop: Shop) -> int:
    return shop.sql("SELECT max(event_id) AS id FROM audit_events")[0]["id"]


def live(seller: Seller) -> Life:
    """As `Till.live`, over HTTP."""
    life = Life()
    for ticket in seller.generate(20).json()["tickets"]:
        life.codes.append(ticket["ticket_code"])
        life.tokens.append(ticket["qr_token"])
    for code in life.codes[:3]:
        life.ids.append(seller.activate(code).json()["order_id"])
        life.sold.append(code)
    life.ids += [seller.hold() for _ in range(3)]
    return life
