"""Batches: which there are, and what became of their tickets."""

import asyncio
from enum import StrEnum
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlencode

from starlette.responses import JSONResponse, Response

from premade.batches.batch import BatchStatus, batch_status
from premade.batches.lookup import BatchFilter, batch_of, is_counted, list_batches, list_batches_of_all
from premade.batches.lookup_sql import BatchOfAny, BatchRow, ListedBatch
from premade.catalog.product import NAME_CHARACTERS_MAX, list_products
from premade.console.addresses import HOME
from premade.console.batches.export_choices import NAME_ON_SHEETS, PRINTED, TABLES, TICKETS_A_FILE_MAX, WHICH
from premade.console.rendering import HEADERS
from premade.console.routing import Page, StaffRequest
from premade.export.letters import in_words, unprintable
from premade.generation.large import LargeBatches
from premade.partners.partner import partners_by_id
from premade.postgres.database import Database
from premade.postgres.statements import columns_of
from premade.runtime.errors import FieldError, Invalid
from premade.staff.role import Right
from premade.texts.fields import field_text
from premade.texts.translation import lazy
from premade.tickets.listing import TicketFilter, list_tickets
from premade.tickets.ticket import Status
from premade.values.operator_input import plain_number

Choice = TypeVar("Choice", bound=StrEnum)

BATCHES = f"{HOME}/batches"
BATCH = f"{HOME}/batch"
BATCHES_A_PAGE = 25
TICKETS_A_PAGE = 50
_SUBJECTS = {"partner": lazy("partner"), "product": lazy("product")}
_DONE = {
    "begun": lazy("The batch has its stock. Its tickets are being generated, also if you leave this page."),
    "made": lazy("All tickets of the batch are generated."),
    "stopped": lazy(
        "No more tickets of this batch are generated. The stock of the others is available again."
    ),
    "cancelled": lazy(
        "The unused tickets are cancelled. Their stock is available again, and their QRs no longer open a gate."
    ),
}


def asked_partner_id(request: StaffRequest) -> int | None:
    """The partner that the address names. Invalid when it is no number of one."""
    return asked_number(request, "partner")


def asked_number(request: StaffRequest, name: str) -> int | None:
    """A number of the address. Invalid."""
    given = request.query(name)
    if not given:
        return None
    number = plain_number(given)
    if number is None:
        raise Invalid([FieldError(name, field_text("general.number_of", name=_SUBJECTS[name]))])
    return number


def _asked_choice(request: StaffRequest, name: str, choices: type[Choice]) -> Choice | None:
    """One of the choices, which the address names; None when it names none. Invalid."""
    given = request.query(name)
    if not given:
        return None
    if given not in set(choices):
        raise Invalid([FieldError(name, field_text("general.one_of", choices=", ".join(choices)))])
    return choices(given)


async def asked_batch(request: StaffRequest) -> dict[str, Any]:
    """The batch that the address names, with its partner and how far it is. BatchUnknown, Invalid."""
    partner_id = asked_partner_id(request) or 0
    batch = await batch_of(request.database, partner_id, request.query("batch"))
    return {
        **columns_of(batch),
        "partner_id": partner_id,
        "counts": counts(batch),
        "status": batch_status(batch.to_make, batch.unmade),
        "made": batch.quantity - batch.to_make - batch.unmade,
    }


def address_of(batch: dict[str, Any], page: str = BATCH, **more: Any) -> str:
    """Of a page about the batch."""
    return f"{page}?{_query({'partner': batch['partner_id'], 'batch': batch['batch_id'], **more})}"


def _listed(row: ListedBatch | BatchOfAny, partner_id: int) -> dict[str, Any]:
    return {
        **columns_of(row),
        "partner_id": partner_id,
        "counts": counts(row) if is_counted(row) else None,
        "status": batch_status(row.to_make, row.unmade),
    }


async def _batches(request: StaffRequest) -> Response:
    partner_id, cursor = asked_partner_id(request), request.query("cursor") or None
    status = _asked_choice(request, "status", BatchStatus)
    wanted = BatchFilter(asked_number(request, "product"), status)
    partners = await partners_by_id(request.database)
    if partner_id is None:
        of_all, following = await list_batches_of_all(request.database, BATCHES_A_PAGE, cursor, wanted)
        rows = [_listed(row, row.partner_id) for row in of_all]
    else:
        found, following = await list_batches(
            request.database, partner_id, (None, None), BATCHES_A_PAGE, cursor, wanted
        )
        rows = [_listed(row, partner_id) for row in found]
    chosen = {"partner": partner_id, "product": wanted.product_id, "status": status}
    return request.page(
        "batches/batches.html",
        batches=rows,
        products=await _product_names(request.database),
        partners=partners,
        chosen=chosen,
        is_first=cursor is None,
        first_page=f"{BATCHES}?{_query(chosen)}",
        next_page=following and f"{BATCHES}?{_query({**chosen, 'cursor': following})}",
    )


async def _batch(request: StaffRequest) -> Response:
    batch = await asked_batch(request)
    state = _asked_choice(request, "state", Status)
    tickets, following = await list_tickets(
        request.database,
        batch["partner_id"],
        TicketFilter(status=state, batch_id=batch["batch_id"]),
        TICKETS_A_PAGE,
        request.query("cursor") or None,
    )
    product = (await _product_names(request.database)).get(batch["product_id"], "")
    can_print = bool(request.member.may(Right.SEE_QR) and batch["made"])
    return request.page(
        "batches/batch.html",
        batch=batch,
        partner=(await partners_by_id(request.database))[batch["partner_id"]],
        product=product,
        # In a thread: it reads font files, once for each name.
        unprintable=in_words(await asyncio.to_thread(unprintable, product)) if can_print else "",
        name_on_sheets=NAME_ON_SHEETS,
        name_characters_max=NAME_CHARACTERS_MAX,
        address=partial(address_of, batch),
        pages={
            name: address_of(batch, f"{BATCH}/{name}") for name in ("progress", "stop", "cancel", "export")
        },
        tickets=tickets,
        state=state,
        done=_DONE.get(
            "made"
            if batch["status"] == BatchStatus.MADE and request.own_link_param("done") == "begun"
            else request.own_link_param("done")
        ),
        tables=TABLES,
        printed=PRINTED if can_print else {},
        which=WHICH,
        files=ranges(batch["made"]),
        is_first=not request.query("cursor"),
        next_page=following and address_of(batch, state=state, cursor=following),
    )


async def _progress(request: StaffRequest) -> Response:
    """For the bar on the page of a batch."""
    making = await request.use(LargeBatches).progress(asked_partner_id(request) or 0, request.query("batch"))
    told = {"status": making.status, "made": making.made, "quantity": making.quantity}
    return JSONResponse(told, headers=HEADERS)


def ranges(tickets: int) -> list[tuple[int, int]]:
    """What each part of a batch has that is too large for one file to print: from the first ticket to the last."""
    starts = range(1, tickets + 1, TICKETS_A_FILE_MAX)
    return [(start, min(start + TICKETS_A_FILE_MAX - 1, tickets)) for start in starts]


def counts(row: BatchRow | ListedBatch | BatchOfAny) -> list[tuple[Status, int]]:
    """How many tickets of a batch are in each state."""
    return [(state, getattr(row, state.lower())) for state in Status]


async def _product_names(database: Database) -> dict[int, str]:
    return {product.product_id: product.name for product in await list_products(database)}


def _query(parameters: dict[str, Any]) -> str:
    return urlencode({name: value for name, value in parameters.items() if value is not None})


# A batch id may be '..', which a path cannot have, so it stands in the query.
PAGES = [
    Page(BATCHES, _batches, right=Right.SEE_SALES),
    Page(BATCH, _batch, right=Right.SEE_SALES),
    Page(f"{BATCH}/progress", _progress, right=Right.SEE_SALES),
]
