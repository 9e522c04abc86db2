"""The list of batches, and the page of one with its tickets."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from starlette.responses import JSONResponse, Response

from premade.batches.batch import BatchStatus
from premade.batches.lookup import BatchFilter, list_batches, list_batches_of_all
from premade.batches.lookup_sql import BatchOfAny, BatchRow, ListedBatch
from premade.catalog.product import list_products
from premade.catalog.product_input import NAME_CHARACTERS_MAX
from premade.console.batches.export_choices import NAME_ON_SHEETS, PRINTED, TABLES, TICKETS_A_FILE_MAX, WHICH
from premade.console.batches.shown_batch import BATCH, BATCHES, ShownBatch, batch_of_url, listed
from premade.console.lists import Chip, ListAddress, Pager
from premade.console.rendering import HEADERS, STATE_NAMES
from premade.console.routing import Page, StaffRequest
from premade.console.url_params import choice_param, number_param, partner_id_param
from premade.export.letters import in_words, unprintable
from premade.generation.large import LargeBatches
from premade.partners.partner import partners_by_id
from premade.partners.partner_sql import PartnerRow
from premade.postgres.database import Database
from premade.staff.role import Right
from premade.texts.translation import Text, lazy
from premade.texts.translation import gettext as _
from premade.tickets.listing import TicketFilter, TicketOnPage, list_tickets
from premade.tickets.ticket import Status

BATCHES_A_PAGE = 25
TICKETS_A_PAGE = 50
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


@dataclass(frozen=True)
class _BatchesPage:
    batches: list[ShownBatch[ListedBatch | BatchOfAny]]
    products: dict[int, str]
    partners: dict[int, PartnerRow]
    chosen: Mapping[str, str | int | None]
    chips: list[Chip]
    pager: Pager


async def _batches(request: StaffRequest) -> Response:
    partner_id, cursor = partner_id_param(request), request.query("cursor") or None
    status = choice_param(request, "status", BatchStatus)
    chosen = BatchFilter(number_param(request, "product"), status)
    partners = await partners_by_id(request.database)
    if partner_id is None:
        of_all, following = await list_batches_of_all(request.database, BATCHES_A_PAGE, cursor, chosen)
        rows = [listed(row, row.partner_id) for row in of_all]
    else:
        found, following = await list_batches(
            request.database, partner_id, (None, None), BATCHES_A_PAGE, cursor, chosen
        )
        rows = [listed(row, partner_id) for row in found]
    address = ListAddress(BATCHES, {"partner": partner_id, "product": chosen.product_id, "status": status})
    products = await _product_names(request.database)
    return request.page(
        "batches/batches.html",
        _BatchesPage(
            batches=rows,
            products=products,
            partners=partners,
            chosen=address.filters,
            chips=_chips(address, partners, products),
            pager=address.pager(request, following),
        ),
    )


def _chips(
    address: ListAddress, partners: Mapping[int, PartnerRow], products: Mapping[int, str]
) -> list[Chip]:
    """Return a chip for each filter that applies."""
    partner_id, product_id, status = address.filters.values()
    partner = partners.get(int(partner_id)) if partner_id is not None else None
    shown = {
        "partner": (_("Partner"), partner and partner.name),
        "product": (_("Product"), products.get(int(product_id)) if product_id is not None else None),
        "status": (_("Generation"), STATE_NAMES[str(status)] if status else None),
    }
    return [
        address.chip(name, shown[name][0], shown[name][1] or str(value))
        for name, value in address.filters.items()
        if value is not None
    ]


@dataclass(frozen=True)
class _BatchPage:
    batch: ShownBatch[BatchRow]
    partner: PartnerRow
    product: str
    unprintable: str
    name_on_sheets: str
    name_characters_max: int
    address: Callable[..., str]
    pages: dict[str, str]
    tickets: list[TicketOnPage]
    state: Status | None
    done: Text | None
    tables: dict[str, str]
    printed: dict[str, str]
    which: dict[str, tuple[Text, tuple[Status, ...] | None]]
    files: list[tuple[int, int]]
    pager: Pager


async def _batch(request: StaffRequest) -> Response:
    batch = await batch_of_url(request)
    state = choice_param(request, "state", Status)
    tickets, following = await list_tickets(
        request.database,
        batch.partner_id,
        TicketFilter(status=state, batch_id=batch.row.batch_id),
        TICKETS_A_PAGE,
        request.query("cursor") or None,
    )
    product = (await _product_names(request.database)).get(batch.row.product_id, "")
    can_print = bool(request.member.may(Right.SEE_QR) and batch.made)
    return request.page(
        "batches/batch.html",
        _BatchPage(
            batch=batch,
            partner=(await partners_by_id(request.database))[batch.partner_id],
            product=product,
            # In a thread: it reads font files, once for each name.
            unprintable=in_words(await asyncio.to_thread(unprintable, product)) if can_print else "",
            name_on_sheets=NAME_ON_SHEETS,
            name_characters_max=NAME_CHARACTERS_MAX,
            address=batch.address,
            pages={
                name: batch.address(f"{BATCH}/{name}") for name in ("progress", "stop", "cancel", "export")
            },
            tickets=tickets,
            state=state,
            done=_DONE.get(
                "made"
                if batch.status == BatchStatus.MADE and request.own_link_param("done") == "begun"
                else request.own_link_param("done")
            ),
            tables=TABLES,
            printed=PRINTED if can_print else {},
            which=WHICH,
            files=ranges(batch.made),
            pager=batch.list_address(state).pager(request, following),
        ),
    )


async def _progress(request: StaffRequest) -> Response:
    """Answer the progress bar on the page of a batch."""
    making = await request.use(LargeBatches).progress(partner_id_param(request) or 0, request.query("batch"))
    progress = {"status": making.status, "made": making.made, "quantity": making.quantity}
    return JSONResponse(progress, headers=HEADERS)


def ranges(tickets: int) -> list[tuple[int, int]]:
    """Return the first and the last ticket of each printed file: a large batch is printed in several."""
    starts = range(1, tickets + 1, TICKETS_A_FILE_MAX)
    return [(start, min(start + TICKETS_A_FILE_MAX - 1, tickets)) for start in starts]


async def _product_names(database: Database) -> dict[int, str]:
    return {product.product_id: product.name for product in await list_products(database)}


PAGES = [
    Page(BATCHES, _batches, right=Right.SEE_SALES),
    Page(BATCH, _batch, right=Right.SEE_SALES),
    Page(f"{BATCH}/progress", _progress, right=Right.SEE_SALES),
]
