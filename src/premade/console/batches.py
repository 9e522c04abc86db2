"""Batches: which there are, and what became of their tickets."""

from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from premade.base.edge import Page
from premade.base.errors import FieldError, Invalid
from premade.base.work import Database
from premade.batches.lookup import batch_of, list_batches, list_batches_of_all
from premade.catalog.product import list_products
from premade.console.door import HOME, Visit, page
from premade.console.paper import Paper
from premade.partners.partner import list_partners
from premade.staff.role import Right
from premade.tickets.listing import TicketFilter, list_tickets
from premade.tickets.ticket import Status

BATCHES = f"{HOME}/batches"
BATCH = f"{HOME}/batch"
BATCHES_A_PAGE = 25
TICKETS_A_PAGE = 50
_PARTNER_DIGITS_MAX = 18


def pages(paper: Paper) -> list[Page]:
    """The routes. A batch id may be '..', which a path cannot have, so it stands in the query."""
    return [
        *page(paper, BATCHES, _batches, right=Right.SEE_SALES),
        *page(paper, BATCH, _batch, right=Right.SEE_SALES),
    ]


def asked_partner_id(visit: Visit) -> int | None:
    """The partner that the address names, or None. Invalid when it is no number of one."""
    given = visit.asked("partner")
    if not given:
        return None
    if not (given.isascii() and given.isdecimal() and len(given) <= _PARTNER_DIGITS_MAX):
        raise Invalid([FieldError("partner", "Must be the number of a partner")])
    return int(given)


async def _batches(visit: Visit) -> Response:
    partner_id, cursor = asked_partner_id(visit), visit.asked("cursor") or None
    partners = {each["partner_id"]: each for each in await list_partners(visit.database)}
    if partner_id is None:
        rows, following = await list_batches_of_all(visit.database, BATCHES_A_PAGE, cursor)
    else:
        found, following = await list_batches(
            visit.database, partner_id, (None, None), BATCHES_A_PAGE, cursor
        )
        rows = [{**row, "partner_id": partner_id} for row in found]
    query = {"partner": partner_id, "cursor": following}
    return visit.page(
        "batches.html",
        batches=[{**row, "counts": counts(row)} for row in rows],
        products=await _product_names(visit.database),
        partners=partners,
        chosen=partner_id,
        is_first=cursor is None,
        next_page=following and f"{BATCHES}?{_query(query)}",
    )


async def _batch(visit: Visit) -> Response:
    partner_id, batch_id = asked_partner_id(visit) or 0, visit.asked("batch")
    batch = await batch_of(visit.database, partner_id, batch_id)
    state = Status(visit.asked("state")) if visit.asked("state") in set(Status) else None
    tickets, following = await list_tickets(
        visit.database,
        partner_id,
        TicketFilter(status=state, batch_id=batch_id),
        TICKETS_A_PAGE,
        visit.asked("cursor") or None,
    )
    partners = {each["partner_id"]: each for each in await list_partners(visit.database)}
    query = {"partner": partner_id, "batch": batch_id, "state": state, "cursor": following}
    return visit.page(
        "batch.html",
        batch={**batch, "partner_id": partner_id, "counts": counts(batch)},
        partner=partners[partner_id],
        product=(await _product_names(visit.database)).get(batch["product_id"], ""),
        tickets=tickets,
        state=state,
        is_first=not visit.asked("cursor"),
        next_page=following and f"{BATCH}?{_query(query)}",
    )


def counts(row: dict[str, Any]) -> list[tuple[Status, int]]:
    """How many tickets of a batch are in each state."""
    return [(state, row[state.lower()]) for state in Status]


async def _product_names(database: Database) -> dict[int, str]:
    return {product.product_id: product.name for product in await list_products(database)}


def _query(parameters: dict[str, Any]) -> str:
    return urlencode({name: value for name, value in parameters.items() if value is not None})
