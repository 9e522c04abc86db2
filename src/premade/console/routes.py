"""Every page of the console, for the application to serve."""

from zoneinfo import ZoneInfo

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from premade.base.edge import Page
from premade.console import (
    account,
    audit,
    batch_changes,
    batches,
    exports,
    gate,
    new_batch,
    overview,
    partners,
    people,
    stock,
    tickets,
)
from premade.console.door import HOME, Visit, go_to, own_address, page, told_as_pages
from premade.console.paper import HEADERS, Paper, assets

_ASSETS_CACHE = "public, max-age=3600"


def console_routes(zone: ZoneInfo) -> list[BaseRoute]:
    """The pages; times on them are of this zone."""
    paper = Paper(zone)
    return [
        *overview.pages(paper),
        *account.pages(paper),
        *tickets.pages(paper),
        *batches.pages(paper),
        *batch_changes.pages(paper),
        *exports.pages(paper),
        *new_batch.pages(paper),
        *stock.pages(paper),
        *partners.pages(paper),
        *gate.pages(paper),
        *audit.pages(paper),
        *people.pages(paper),
        Page(f"{HOME}/assets/{{name}}", told_as_pages(paper, _asset), is_public=True),
        *page(paper, f"{HOME}/{{rest:path}}", _nowhere),
    ]


async def _asset(request: Request) -> Response:
    if request.path_params["name"] not in assets():
        raise HTTPException(404)
    content, kind = assets()[request.path_params["name"]]
    return Response(content, media_type=kind, headers={**HEADERS, "Cache-Control": _ASSETS_CACHE})


async def _nowhere(visit: Visit) -> Response:
    if visit.request.url.path.endswith("/"):
        return go_to(own_address(visit.request.url.path.rstrip("/")))
    raise HTTPException(404)
