"""A batch for the console's pages: the row of the database, its partner and its progress."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from premade.batches.batch import BatchStatus, batch_status
from premade.batches.lookup import batch_of, is_counted
from premade.batches.lookup_sql import BatchOfAny, BatchRow, CountedBatch, ListedBatch
from premade.console.addresses import HOME
from premade.console.lists import ListAddress
from premade.console.routing import StaffRequest
from premade.console.url_params import partner_id_param
from premade.tickets.ticket import Status

BATCHES = f"{HOME}/batches"
BATCH = f"{HOME}/batch"
RowT = TypeVar("RowT", bound=CountedBatch)


@dataclass(frozen=True)
class ShownBatch(Generic[RowT]):
    """A batch of a partner, as a page shows it."""

    row: RowT
    partner_id: int
    counts: list[tuple[Status, int]] | None
    """Number of tickets by state; None if the page did not count them."""

    @property
    def status(self) -> BatchStatus:
        """Status of the generation."""
        return batch_status(self.row.to_make, self.row.unmade)

    @property
    def made(self) -> int:
        """Number of generated tickets."""
        return self.row.quantity - self.row.to_make - self.row.unmade

    def address(self, page: str = BATCH, **more: str | None) -> str:
        """Return the address of a page about the batch."""
        return address_of(self.partner_id, self.row.batch_id, page, **more)

    def list_address(self, state: Status | None) -> ListAddress:
        """Return the address of the list of its tickets in a state. None: in all states."""
        return ListAddress(BATCH, {"partner": self.partner_id, "batch": self.row.batch_id, "state": state})


def listed(row: ListedBatch | BatchOfAny, partner_id: int) -> ShownBatch[ListedBatch | BatchOfAny]:
    """Return a batch of a list."""
    return ShownBatch(row, partner_id, counts(row) if is_counted(row) else None)


async def batch_of_url(request: StaffRequest) -> ShownBatch[BatchRow]:
    """Return the batch that the URL names.

    Raises:
        BatchUnknown: the partner has no such batch.
        Invalid: the partner is not a number.
    """
    partner_id = partner_id_param(request) or 0
    row = await batch_of(request.database, partner_id, request.query("batch"))
    return ShownBatch(row, partner_id, counts(row))


def counts(row: CountedBatch) -> list[tuple[Status, int]]:
    """Return the number of tickets of a batch in each state."""
    return [(state, getattr(row, state.lower())) for state in Status]


def address_of(partner_id: int, batch_id: str, page: str = BATCH, **more: str | None) -> str:
    """Return the address of a page about the batch."""
    # A batch id may be '..', which a path cannot contain, so it is a query parameter.
    return ListAddress(page, {"partner": partner_id, "batch": batch_id}).with_parameters(**more)
