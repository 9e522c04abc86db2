"""Finding reservations."""

from premade.postgres.database import Database
from premade.stock import lookup_sql as sql
from premade.stock.reservation import is_reservation_id, reservation_unknown


async def reservation_of(database: Database, partner_id: int, reservation_id: str) -> sql.ReservationNow:
    """Return the partner's reservation.

    Raises:
        ReservationUnknown: the partner has no such reservation.
    """
    row = None
    if is_reservation_id(reservation_id):
        async with database.single_statement() as tx:
            row = await tx.fetch_one(
                sql.reservation_by_id, partner_id=partner_id, reservation_id=reservation_id
            )
    if row is None:
        raise reservation_unknown(reservation_id)
    return row


async def newest_reservations(
    database: Database, partner_id: int, rows_max: int, after_reservation_id: str | None
) -> list[sql.ReservationNow]:
    """Return the partner's reservations, newest first, beginning after `after_reservation_id`."""
    async with database.single_statement() as tx:
        return await tx.fetch_all(
            sql.reservations_of_partner,
            partner_id=partner_id,
            after_reservation_id=after_reservation_id,
            rows_max=rows_max,
        )
