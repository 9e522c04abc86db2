"""Devices and a partner that follow a database by cursor, over HTTP or by the actions themselves."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import httpx

from premade.orders.lookup import OrderFilter, list_orders
from premade.postgres.database import Database, open_database
from premade.tickets.listing import TicketFilter, list_tickets
from support.gate import SNAPSHOT, Device
from support.lives import snapshot
from support.shop import Seller

PAGE_ROWS = 2
"""Fewer than the lost rows of each kind, so that a cursor can name one of them."""
Result = TypeVar("Result")
Page = tuple[list[str], str | None]


class Source(Protocol):
    """Where devices and partners read: the tickets' snapshot, and pages of ids."""

    def snapshot(self, since: str | None) -> list[dict[str, Any]]: ...

    def tickets(self, cursor: str | None) -> Page: ...

    def orders(self, cursor: str | None) -> Page: ...


@dataclass
class ByActions:
    """Reads with the actions that the routes call."""

    dsn: str
    seller: Seller

    def snapshot(self, since: str | None) -> list[dict[str, Any]]:
        return [*self._run(lambda database: snapshot(database, since))]

    def tickets(self, cursor: str | None) -> Page:
        rows, following = self._run(
            lambda database: list_tickets(database, self.seller.partner_id, TicketFilter(), PAGE_ROWS, cursor)
        )
        return [row.ticket_code for row in rows], following

    def orders(self, cursor: str | None) -> Page:
        rows, following = self._run(
            lambda database: list_orders(database, self.seller.partner_id, OrderFilter(), PAGE_ROWS, cursor)
        )
        return [row.order_id for row in rows], following

    def _run(self, action: Callable[[Database], Awaitable[Result]]) -> Result:
        async def run() -> Result:
            async with open_database(self.dsn, connections_max=1) as database:
                return await action(database)

        return asyncio.run(run())


@dataclass
class ByHttp:
    """Reads over HTTP: the snapshot as a gate, the lists as a partner."""

    gate: httpx.Client
    partner: httpx.Client

    def snapshot(self, since: str | None) -> list[dict[str, Any]]:
        answer = self.gate.get(SNAPSHOT, params={} if since is None else {"since": since})
        assert answer.status_code == httpx.codes.OK, answer.text
        return [json.loads(line) for line in answer.text.splitlines()]

    def tickets(self, cursor: str | None) -> Page:
        return self._page("tickets", "ticket_code", cursor)

    def orders(self, cursor: str | None) -> Page:
        return self._page("orders", "order_id", cursor)

    def _page(self, name: str, key: str, cursor: str | None) -> Page:
        parameters = {"limit": PAGE_ROWS, **({} if cursor is None else {"cursor": cursor})}
        answer = self.partner.get(f"/api/ota/{name}", params=parameters)
        assert answer.status_code == httpx.codes.OK, answer.text
        body = answer.json()
        return [row[key] for row in body["items"]], body["next"]


@dataclass
class Gate:
    """A device that follows the snapshot."""

    device: Device = field(default_factory=lambda: Device(httpx.Client()))

    @property
    def codes(self) -> set[str]:
        return set(self.device.tickets)

    def sync(self, source: Source) -> str:
        """Fetch and apply one snapshot; return its kind."""
        self.device.apply(source.snapshot(self.device.since))
        return self.device.kinds[-1]


def rest(page: Callable[[str | None], Page], cursor: str | None) -> list[str]:
    """All ids of the pages from the cursor on."""
    ids: list[str] = []
    while True:
        more, cursor = page(cursor)
        ids += more
        if cursor is None:
            return ids


def assert_follows(ids: Sequence[str], rows: Sequence[str]) -> None:
    """Nothing repeated, nothing skipped: the ids are these rows in this order."""
    assert len(ids) == len(set(ids)), "an id was listed twice"
    assert list(ids) == list(rows)
