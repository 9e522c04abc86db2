"""Releasing the stock that a reservation still holds."""

from dataclasses import dataclass, replace

from premade.audit.events import ReservationReleased
from premade.audit.idempotency import Operation, Overtaken, Receipt, RequestIdentity, event_of
from premade.audit.idempotency_sql import EventReceipt
from premade.audit.record import Acting
from premade.postgres.database import Transaction
from premade.runtime.clock import Runtime
from premade.runtime.logging import log
from premade.stock import release_sql as sql
from premade.stock.hold import wait_for_allotment
from premade.stock.lookup import reservation_of
from premade.stock.reservation import Reservation, ReservationEnded, ReservationStatus, reservation_at
from premade.values.digest import request_digest


@dataclass(frozen=True)
class ReleaseRequest:
    """A request to release a reservation."""

    caller: Acting
    request_id: str
    reservation_id: str
    idempotency_key: str | None = None

    @property
    def identity(self) -> RequestIdentity:
        """Return what makes two requests the same: the reservation."""
        return RequestIdentity(
            self.caller.partner_id,
            "release_reservation",
            self.idempotency_key,
            (request_digest(self.reservation_id),),
        )


@dataclass(frozen=True)
class Releaser(Operation[ReleaseRequest, EventReceipt, Reservation]):
    """Release of reservations. The audit event is the receipt."""

    runtime: Runtime

    async def find_receipt(self, tx: Transaction, request: ReleaseRequest) -> Receipt[EventReceipt] | None:
        """Return the receipt with the request's key."""
        event = await event_of(tx, request.identity)
        if event is None:
            return None
        released = ReservationReleased.of(event.data)
        return Receipt(event, "release", released.reservation_id, event.request_digest)

    async def replay(self, request: ReleaseRequest, row: EventReceipt) -> Reservation:  # noqa: ARG002  (a released reservation never changes)
        """Return the released reservation."""
        released = await reservation_of(self.database, request.caller.partner_id, request.reservation_id)
        return reservation_at(released, self.runtime.now(), replayed=True)

    async def attempt(self, request: ReleaseRequest) -> Reservation:
        """Release the reservation.

        Raises:
            ReservationUnknown: the partner has no such reservation.
            ReservationEnded: it has expired, or batches took all of it.
            Overtaken: it ended meanwhile.
        """
        now = self.runtime.now()
        row = await reservation_of(self.database, request.caller.partner_id, request.reservation_id)
        reservation = reservation_at(row, now)
        if reservation.status is ReservationStatus.RELEASED:
            # Perhaps by a concurrent request with the same key.
            return replace(reservation, replayed=await self.receipt_of(request) is not None)
        if reservation.status is not ReservationStatus.HELD:
            raise ReservationEnded(request.reservation_id, reservation.status)
        async with self.database.transaction() as tx:
            await wait_for_allotment(tx, row.product_id, row.channel)
            released = await tx.fetch_one(
                sql.release,
                **request.identity.columns,
                reservation_id=request.reservation_id,
                actor=request.caller.actor,
                request_id=request.request_id,
                event=ReservationReleased.event_name,
                now=now,
            )
            if released is None:
                raise Overtaken
        log.info(
            "ota.reservations.released",
            reservation_id=released.reservation_id,
            product_id=released.product_id,
            taken=released.taken,
        )
        return reservation_at(released, now)
