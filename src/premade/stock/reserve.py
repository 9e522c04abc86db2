"""Reserving stock for a limited time."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime

from premade.audit.events import ReservationMade
from premade.audit.idempotency import Operation, Overtaken, Receipt, RequestIdentity
from premade.catalog.product import ProductUnknown
from premade.partners.keyring import Caller
from premade.postgres.database import Transaction
from premade.runtime.clock import Runtime
from premade.runtime.errors import RuleBroken
from premade.runtime.logging import log
from premade.stock import reserve_sql as sql
from premade.stock.allotment import StockShort
from premade.stock.hold import expire_holds
from premade.stock.quotas import Quotas, StockRequest
from premade.stock.reservation import Reservation, expiry, reservation_at
from premade.values.digest import request_digest


@dataclass(frozen=True)
class ReservationRequest:
    """A request to reserve stock.

    `expires_at` None: HOLD_DEFAULT from now, or the partner's limit if that is less.
    """

    caller: Caller
    request_id: str
    product_id: int
    quantity: int
    expires_at: datetime | None = None
    idempotency_key: str | None = None

    @property
    def identity(self) -> RequestIdentity:
        """Return what makes two requests the same: product, quantity and expiry time."""
        digest = request_digest(self.product_id, self.quantity, self.expires_at)
        return RequestIdentity(self.caller.partner_id, "reserve", self.idempotency_key, (digest,))


@dataclass(frozen=True)
class Reserver(Operation[ReservationRequest, sql.ReservationReceipt, Reservation]):
    """Creation of reservations. The reservation itself is the receipt."""

    runtime: Runtime
    quotas: Quotas = field(default_factory=Quotas)

    async def find_receipt(
        self, tx: Transaction, request: ReservationRequest
    ) -> Receipt[sql.ReservationReceipt] | None:
        """Return the receipt with the request's key."""
        row = await tx.fetch_one(
            sql.reservation_of_key,
            partner_id=request.caller.partner_id,
            idempotency_key=request.idempotency_key,
        )
        return row and Receipt(row, "reservation", row.reservation_id, row.request_digest)

    async def replay(self, request: ReservationRequest, row: sql.ReservationReceipt) -> Reservation:  # noqa: ARG002  (the row has all)
        """Return the reservation as it was created."""
        return reservation_at(replace(row, taken=0, end_reason=None), row.created_at, replayed=True)

    async def attempt(self, request: ReservationRequest) -> Reservation:
        """Create the reservation.

        Raises:
            Invalid: the expiry time is past, or later than the partner's limit.
            ProductUnknown: no product has this id.
            StockShort: the channel has less available stock.
            QuotaReached: the partner would have too many reservations, or too much of the stock.
            Overtaken: a concurrent request took the key or the stock.
        """
        row = await self._look(request)
        # Check the expiry time here, not at the edge: a retry after it gets the response of the first request.
        expires_at = expiry(request.expires_at, row.now, row.reservation_hours_max)
        if row.product_id is None:
            raise ProductUnknown("to_partner", request.product_id)
        if row.available < request.quantity:
            raise StockShort(request.product_id, requested=request.quantity, available=row.available)
        if row.stale:
            await expire_holds(self.database, self.runtime, request.product_id, request.caller.channel)
        reservation = await self._write(request, row.now, expires_at)
        log.info(
            "ota.reservations.made",
            reservation_id=reservation.reservation_id,
            product_id=reservation.product_id,
            quantity=reservation.quantity,
        )
        return reservation

    async def _look(self, request: ReservationRequest) -> sql.StockLook:
        async with self.database.single_statement() as tx:
            row = await tx.fetch_one(
                sql.look_at_stock,
                partner_id=request.caller.partner_id,
                channel=request.caller.channel,
                product_id=request.product_id,
                now=self.runtime.now(),
            )
        assert row is not None
        return row

    def _transaction(
        self, request: ReservationRequest, now: datetime
    ) -> AbstractAsyncContextManager[Transaction]:
        """Open a transaction within the partner's quotas. Without quotas, its single statement needs no BEGIN and COMMIT."""
        if partner := self.quotas.partner_of(request.caller):
            stock = StockRequest(request.product_id, request.quantity, is_reservation=True)
            return self.quotas.transaction(self.database, partner, stock, now)
        return self.database.single_statement()

    async def _write(self, request: ReservationRequest, now: datetime, expires_at: datetime) -> Reservation:
        try:
            async with self._transaction(request, now) as tx:
                row = await tx.fetch_one(
                    sql.reserve,
                    partner_id=request.caller.partner_id,
                    channel=request.caller.channel,
                    actor=request.caller.actor,
                    request_id=request.request_id,
                    event=ReservationMade.event_name,
                    product_id=request.product_id,
                    quantity=request.quantity,
                    expires_at=expires_at,
                    idempotency_key=request.idempotency_key,
                    request_digest=request.identity.digests[0],
                    now=now,
                )
        except RuleBroken as broken:
            if broken.rule != "available_not_negative":
                raise
            raise Overtaken from None
        if row is None:
            raise Overtaken
        return reservation_at(row, now)
