"""Holding stock for a while, and letting go of it."""

from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from premade.audit.events import ReservationMade, ReservationReleased
from premade.audit.record import Acting
from premade.catalog.product import ProductUnknown
from premade.partners.keyring import Caller
from premade.postgres.database import Database
from premade.runtime.clock import Runtime
from premade.runtime.errors import Busy, IdempotencyKeyReused, RuleBroken
from premade.runtime.logging import log
from premade.stock import reserve_sql as sql
from premade.stock.allotment import StockShort
from premade.stock.hold import expire_holds, wait_for_allotment
from premade.stock.reservation import (
    Reservation,
    ReservationEnded,
    ReservationStatus,
    expiry,
    is_reservation_id,
    reservation_at,
    reservation_unknown,
)
from premade.values.digest import request_digest

TRIES_MAX = 3
"""A try ends without a word when another request changes the stock or takes the key at the same moment."""
RELEASE = "release_reservation"
"""The operation, as an Idempotency-Key of it is remembered."""


@dataclass(frozen=True)
class ReservationRequest:
    """A hold as it is asked for. `expires_at` None: HOLD_DEFAULT from now, or the partner's limit if that is less."""

    product_id: int
    quantity: int
    expires_at: datetime | None = None
    idempotency_key: str | None = None

    @cached_property
    def digest(self) -> bytes:
        """What makes two requests the same one."""
        return request_digest(self.product_id, self.quantity, self.expires_at)


@dataclass(frozen=True)
class Reservations:
    """What holding stock needs."""

    database: Database
    runtime: Runtime

    async def reserve(self, caller: Caller, request_id: str, wanted: ReservationRequest) -> Reservation:
        """The reservation, made now or, as it was made, by an earlier request with the same Idempotency-Key.

        Invalid, ProductUnknown, StockShort, IdempotencyKeyReused; nothing is held then.
        """
        for _ in range(TRIES_MAX):
            seen = await self._look(caller, wanted, self.runtime.now())
            now = seen.now
            if seen.made_reservation_id is not None:
                return await self._as_made(caller, wanted, seen)
            # Not before a replay is looked for: a retry after the hold is over is answered like the first try.
            expires_at = expiry(wanted.expires_at, now, seen.reservation_hours_max)
            _check(seen, wanted)
            if seen.stale:
                await expire_holds(self.database, self.runtime, wanted.product_id, caller.channel)
            if made := await self._write(caller, request_id, wanted, now, expires_at):
                log.info(
                    "ota.reservations.made",
                    reservation_id=made.reservation_id,
                    product_id=made.product_id,
                    quantity=made.quantity,
                )
                return made
        raise _overtaken()

    async def release(
        self, caller: Acting, request_id: str, reservation_id: str, idempotency_key: str | None = None
    ) -> Reservation:
        """The reservation, released now or before; what was taken from it stays taken.

        ReservationUnknown; ReservationEnded when it expired or is used up, so that there was nothing to release.
        """
        for _ in range(TRIES_MAX):
            now = self.runtime.now()
            seen = await self._look_at(caller, reservation_id, idempotency_key)
            replayed = _released_before(seen)
            row = _found(seen)
            if row is None:
                raise reservation_unknown(reservation_id)
            reservation = reservation_at(row, now, replayed=replayed)
            if reservation.status is ReservationStatus.RELEASED:
                return reservation
            if reservation.status is not ReservationStatus.HELD:
                raise ReservationEnded(reservation_id, reservation.status)
            if released := await self._release(caller, request_id, seen, now, idempotency_key):
                log.info(
                    "ota.reservations.released",
                    reservation_id=released.reservation_id,
                    product_id=released.product_id,
                    taken=released.taken,
                )
                return released
        raise _overtaken()

    async def one(self, caller: Caller, reservation_id: str) -> Reservation:
        """The partner's reservation. ReservationUnknown when it has none of this id."""
        row = None
        if is_reservation_id(reservation_id):
            async with self.database.single_statement() as tx:
                row = await tx.fetch_one(
                    sql.reservation_by_id, partner_id=caller.partner_id, reservation_id=reservation_id
                )
        if row is None:
            raise reservation_unknown(reservation_id)
        return reservation_at(row, self.runtime.now())

    async def newest(
        self, caller: Caller, rows_max: int, after_reservation_id: str | None
    ) -> list[Reservation]:
        """The partner's, newest first, from the one after `after_reservation_id` on."""
        async with self.database.single_statement() as tx:
            rows = await tx.fetch_all(
                sql.reservations_of_partner,
                partner_id=caller.partner_id,
                after_reservation_id=after_reservation_id,
                rows_max=rows_max,
            )
        now = self.runtime.now()
        return [reservation_at(row, now) for row in rows]

    async def _look(self, caller: Caller, wanted: ReservationRequest, now: datetime) -> sql.StockLook:
        async with self.database.single_statement() as tx:
            seen = await tx.fetch_one(
                sql.look_at_stock,
                partner_id=caller.partner_id,
                channel=caller.channel,
                product_id=wanted.product_id,
                idempotency_key=wanted.idempotency_key,
                now=now,
            )
        assert seen is not None
        return seen

    async def _as_made(self, caller: Caller, wanted: ReservationRequest, seen: sql.StockLook) -> Reservation:
        reservation_id = seen.made_reservation_id
        assert reservation_id is not None
        if seen.made_request_digest != wanted.digest:
            raise IdempotencyKeyReused("reservation", reservation_id)
        async with self.database.single_statement() as tx:
            row = await tx.fetch_one(
                sql.reservation_by_id, partner_id=caller.partner_id, reservation_id=reservation_id
            )
        assert row is not None
        fresh = replace(row, taken=0, end_reason=None)
        return reservation_at(fresh, row.created_at, replayed=True)

    async def _write(
        self, caller: Caller, request_id: str, wanted: ReservationRequest, now: datetime, expires_at: datetime
    ) -> Reservation | None:
        """The reservation; None when the stock or the key is gone by now."""
        try:
            async with self.database.single_statement() as tx:
                row = await tx.fetch_one(
                    sql.reserve,
                    partner_id=caller.partner_id,
                    channel=caller.channel,
                    actor=caller.actor,
                    request_id=request_id,
                    event=ReservationMade.event_name,
                    product_id=wanted.product_id,
                    quantity=wanted.quantity,
                    expires_at=expires_at,
                    idempotency_key=wanted.idempotency_key,
                    request_digest=wanted.digest,
                    now=now,
                )
        except RuleBroken as broken:
            if broken.rule != "available_not_negative":
                raise
            return None
        return None if row is None else reservation_at(row, now)

    async def _look_at(
        self, caller: Acting, reservation_id: str, idempotency_key: str | None
    ) -> sql.ReservationLook:
        async with self.database.single_statement() as tx:
            row = await tx.fetch_one(
                sql.look_at_reservation,
                partner_id=caller.partner_id,
                reservation_id=reservation_id if is_reservation_id(reservation_id) else None,
                operation=RELEASE,
                idempotency_key=idempotency_key,
            )
        assert row is not None
        return row

    async def _release(
        self,
        caller: Acting,
        request_id: str,
        row: sql.ReservationLook,
        now: datetime,
        idempotency_key: str | None,
    ) -> Reservation | None:
        """The reservation, released; None when it has ended or the key is taken by now."""
        assert row.reservation_id is not None
        assert row.product_id is not None
        assert row.channel is not None
        try:
            async with self.database.transaction() as tx:
                await wait_for_allotment(tx, row.product_id, row.channel)
                released = await tx.fetch_one(
                    sql.release,
                    partner_id=caller.partner_id,
                    reservation_id=row.reservation_id,
                    actor=caller.actor,
                    request_id=request_id,
                    event=ReservationReleased.event_name,
                    operation=RELEASE,
                    idempotency_key=idempotency_key,
                    request_digest=None if idempotency_key is None else request_digest(row.reservation_id),
                    now=now,
                )
        except RuleBroken as broken:
            if broken.rule != "audit_idempotency_key_taken":
                raise
            return None
        return None if released is None else reservation_at(released, now)


def _check(seen: sql.StockLook, wanted: ReservationRequest) -> None:
    if seen.product_id is None:
        raise ProductUnknown("to_partner", wanted.product_id)
    if seen.available < wanted.quantity:
        raise StockShort(wanted.product_id, requested=wanted.quantity, available=seen.available)


def _found(seen: sql.ReservationLook) -> sql.ReservationRow | None:
    if seen.reservation_id is None:
        return None
    assert seen.product_id is not None
    assert seen.quantity is not None
    assert seen.taken is not None
    assert seen.created_at is not None
    assert seen.expires_at is not None
    return sql.ReservationRow(
        seen.reservation_id,
        seen.product_id,
        seen.quantity,
        seen.taken,
        seen.created_at,
        seen.expires_at,
        seen.end_reason,
    )


def _released_before(row: sql.ReservationLook) -> bool:
    """Whether the key released it; IdempotencyKeyReused when it released another."""
    made = row.made_reservation_id
    if made is None:
        return False
    if row.made_request_digest != request_digest(row.reservation_id):
        raise IdempotencyKeyReused("release", made)
    return True


def _overtaken() -> Busy:
    return Busy("overtaken", tries=TRIES_MAX)
