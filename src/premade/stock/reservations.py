"""The service for reservations: create, release, get, list."""

from dataclasses import dataclass, field

from premade.partners.keyring import Caller
from premade.postgres.database import Database
from premade.runtime.clock import Runtime
from premade.stock.lookup import newest_reservations, reservation_of
from premade.stock.quotas import Quotas
from premade.stock.release import Releaser, ReleaseRequest
from premade.stock.reservation import Reservation, reservation_at
from premade.stock.reserve import ReservationRequest, Reserver


@dataclass(frozen=True)
class Reservations:
    """Reservations of all partners."""

    database: Database
    runtime: Runtime
    quotas: Quotas = field(default_factory=Quotas)

    async def reserve(self, request: ReservationRequest) -> Reservation:
        """Create a reservation, or return the one of the earlier request with the same Idempotency-Key.

        Raises:
            Invalid: the expiry time is past, or later than the partner's limit.
            ProductUnknown: no product has this id.
            StockShort: the channel has less available stock.
            QuotaReached: the partner would have too many reservations, or too much of the stock.
            IdempotencyKeyReused: the key was used for another request.
            Busy: concurrent requests came first several times.
        """
        return await Reserver(self.database, self.runtime, self.quotas).run(request)

    async def release(self, request: ReleaseRequest) -> Reservation:
        """Release what the reservation still holds. A reservation that was released before is returned as it is.

        Raises:
            ReservationUnknown: the partner has no such reservation.
            ReservationEnded: it has expired, or batches took all of it.
            IdempotencyKeyReused: the key was used for another request.
            Busy: another transaction has locked the allotment.
        """
        return await Releaser(self.database, self.runtime).run(request)

    async def one(self, caller: Caller, reservation_id: str) -> Reservation:
        """Return the partner's reservation.

        Raises:
            ReservationUnknown: the partner has no such reservation.
        """
        row = await reservation_of(self.database, caller.partner_id, reservation_id)
        return reservation_at(row, self.runtime.now())

    async def newest(
        self, caller: Caller, rows_max: int, after_reservation_id: str | None
    ) -> list[Reservation]:
        """Return the partner's reservations, newest first, beginning after `after_reservation_id`."""
        rows = await newest_reservations(self.database, caller.partner_id, rows_max, after_reservation_id)
        now = self.runtime.now()
        return [reservation_at(row, now) for row in rows]
