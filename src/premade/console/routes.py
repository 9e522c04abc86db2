"""Every page of the console, for the application to serve."""

from zoneinfo import ZoneInfo

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

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
    staff,
    stock,
    tickets,
)
from premade.console.door import HOME, StaffRequest, go_to, own_address, page, told_as_pages
from premade.console.rendering import HEADERS, Templates, assets
from premade.http.gateway import PageRoute

_ASSETS_CACHE = "public, max-age=3600"


def console_routes(zone: ZoneInfo) -> list[BaseRoute]:
    """The pages; times on them are of this zone."""
    templates = Templates(zone)
    return [
        *overview.pages(templates),
        *account.pages(templates),
        *tickets.pages(templates),
        *batches.pages(templates),
        *batch_changes.pages(templates),
        *exports.pages(templates),
        *new_batch.pages(templates),
        *stock.pages(templates),
        *partners.pages(templates),
        *gate.pages(templates),
        *audit.pages(templates),
        *staff.pages(templates),
        PageRoute(f"{HOME}/assets/{{name}}", told_as_pages(templates, _asset), is_public=True),
        *page(templates, f"{HOME}/{{rest:path}}", _nowhere),
    ]


async def _asset(request: Request) -> Response:
    if request.path_params["name"] not in assets():
        raise HTTPException(404)
    content, kind = assets()[request.path_params["name"]]
    return Response(content, media_type=kind, headers={**HEADERS, "Cache-Control": _ASSETS_CACHE})


async def _nowhere(visit: StaffRequest) -> Response:
    if visit.request.url.path.endswith("/"):
        return go_to(own_address(visit.request.url.path.rstrip("/")))
    raise HTTPException(404)
