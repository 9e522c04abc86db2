"""The service for reservations: create, release, get, list."""

from dataclasses import dataclass

from premade.partners.keyring import Caller
from premade.postgres.database import Database
from premade.runtime.clock import Runtime
from premade.stock import reservations_sql as sql
from premade.stock.release import ReleaseRequest, Releasing
from premade.stock.reservation import Reservation, is_reservation_id, reservation_at, reservation_unknown
from premade.stock.reserve import ReservationRequest, Reserving


@dataclass(frozen=True)
class Reservations:
    """Reservations of all partners."""

    database: Database
    runtime: Runtime

    async def reserve(self, request: ReservationRequest) -> Reservation:
        """Create a reservation, or return the one of the earlier request with the same Idempotency-Key.

        Raises:
            Invalid: the expiry time is past, or later than the partner's limit.
            ProductUnknown: no product has this id.
            StockShort: the channel has less available stock.
            IdempotencyKeyReused: the key was used for another request.
            Busy: concurrent requests came first several times.
        """
        return await Reserving(self.database, self.runtime).run(request)

    async def release(self, request: ReleaseRequest) -> Reservation:
        """Release what the reservation still holds. A reservation that was released before is returned as it is.

        Raises:
            ReservationUnknown: the partner has no such reservation.
            ReservationEnded: it has expired, or batches took all of it.
            IdempotencyKeyReused: the key was used for another request.
            Busy: another transaction has locked the allotment.
        """
        return await Releasing(self.database, self.runtime).run(request)

    async def one(self, caller: Caller, reservation_id: str) -> Reservation:
        """Return the partner's reservation.

        Raises:
            ReservationUnknown: the partner has no such reservation.
        """
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
        """Return the partner's reservations, newest first, beginning after `after_reservation_id`."""
        async with self.database.single_statement() as tx:
            rows = await tx.fetch_all(
                sql.reservations_of_partner,
                partner_id=caller.partner_id,
                after_reservation_id=after_reservation_id,
                rows_max=rows_max,
            )
        now = self.runtime.now()
        return [reservation_at(row, now) for row in rows]
