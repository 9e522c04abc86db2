"""Quotas: how much stock one partner may have at a time. They apply to requests of the partner, not to those of staff."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from weakref import WeakValueDictionary

from premade.limits.partner_limits import CHANNEL_SHARE, OPEN_RESERVATIONS, UNUSED_TICKETS
from premade.partners.keyring import Caller, OnBehalf
from premade.postgres.database import Database, Transaction
from premade.postgres.pool import LOCK_TIMEOUT_MS
from premade.runtime.errors import Busy, Exhausted
from premade.runtime.settings import Settings
from premade.stock import quotas_sql as sql


@dataclass(eq=False)
class QuotaReached(Exhausted):
    """The partner may not have so many tickets or reservations at a time."""

    code = "QUOTA_REACHED"
    published = ("limit", "in_use", "requested")

    reason: Literal["unused_tickets", "open_reservations", "channel_share"]
    limit: int
    in_use: int
    requested: int

    @property
    def members(self) -> dict[str, Any]:
        """Return the figures, and the quota's name."""
        return {"quota": self.reason.replace("_", "-"), **super().members}


@dataclass(frozen=True)
class StockRequest:
    """Stock that a request takes: tickets for a batch, or a reservation."""

    product_id: int
    quantity: int
    is_reservation: bool = False
    is_reserved: bool = False
    """Whether a batch takes it from a reservation: then the partner holds it already."""


@dataclass(frozen=True)
class Quotas:
    """The quotas of all partners."""

    defaults: Mapping[str, int] = field(default_factory=dict[str, int])
    """By name; 0 for none. A partner may have its own."""
    _turns: WeakValueDictionary[int, asyncio.Lock] = field(
        default_factory=WeakValueDictionary[int, asyncio.Lock], compare=False
    )
    """Locks by partner, as long as a request of the partner takes stock."""

    @classmethod
    def of(cls, settings: Settings) -> "Quotas":
        """Return the quotas of the operator's settings."""
        return cls(
            {
                UNUSED_TICKETS: settings.quota_unused_tickets,
                OPEN_RESERVATIONS: settings.quota_open_reservations,
                CHANNEL_SHARE: settings.quota_channel_share_percent,
            }
        )

    def partner_of(self, caller: Caller | OnBehalf) -> Caller | None:
        """Return the caller if it is a partner with any quota, or None."""
        names = (UNUSED_TICKETS, OPEN_RESERVATIONS, CHANNEL_SHARE)
        if isinstance(caller, Caller) and any(self._limit(caller, name) for name in names):
            return caller
        return None

    @asynccontextmanager
    async def transaction(
        self, database: Database, caller: Caller, request: StockRequest, now: datetime
    ) -> AsyncGenerator[Transaction]:
        """Open a transaction in which the partner takes the stock within its quotas. Its requests run one after the other.

        Raises:
            QuotaReached: the partner would have too much.
            Busy: the turn of this request did not come within LOCK_TIMEOUT_MS.
        """
        async with self._turn(caller), database.transaction() as tx:
            await tx.fetch_one(sql.take_turn, partner_id=caller.partner_id)
            await self.check(tx, caller, request, now)
            yield tx

    @asynccontextmanager
    async def _turn(self, caller: Caller) -> AsyncGenerator[None]:
        """Let one request of the partner go on at a time in this process. The others hold no connection while they wait."""
        lock = self._turns.setdefault(caller.partner_id, asyncio.Lock())
        try:
            async with asyncio.timeout(LOCK_TIMEOUT_MS / 1000):
                await lock.acquire()
        except TimeoutError:
            raise Busy("row_locked") from None
        try:
            yield
        finally:
            lock.release()

    async def check(self, tx: Transaction, caller: Caller, request: StockRequest, now: datetime) -> None:
        """Raise QuotaReached if the partner would have too much with the request."""
        stock = await tx.fetch_one(
            sql.stock_of_partner,
            partner_id=caller.partner_id,
            product_id=request.product_id,
            channel=caller.channel,
            now=now,
        )
        assert stock is not None
        if request.is_reservation:
            self._check_one(caller, "open_reservations", stock.open_reservations, 1)
        else:
            self._check_one(caller, "unused_tickets", stock.unused, request.quantity)
        share = self._limit(caller, CHANNEL_SHARE)
        most = stock.allotted * share // 100
        in_use = stock.unused_of_product + stock.held_of_product
        if share and not request.is_reserved and in_use + request.quantity > most:
            raise QuotaReached("channel_share", most, in_use, request.quantity)

    def _check_one(
        self,
        caller: Caller,
        quota: Literal["unused_tickets", "open_reservations"],
        in_use: int,
        requested: int,
    ) -> None:
        limit = self._limit(caller, quota.replace("_", "-"))
        if limit and in_use + requested > limit:
            raise QuotaReached(quota, limit, in_use, requested)

    def _limit(self, caller: Caller, name: str) -> int:
        return caller.limits.get(name, self.defaults.get(name, 0))
