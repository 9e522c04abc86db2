"""The routes of the console, for the application to serve."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from premade.console.addresses import HOME, go_to, own_address
from premade.console.language import LANGUAGE, choose_language
from premade.console.rendering import HEADERS, MenuEntry, Templates, assets
from premade.console.routing import Page, StaffRequest, routes_of_page, with_error_pages
from premade.console.sections import SECTIONS
from premade.http.gateway import PageRoute
from premade.runtime.clock import Runtime
from premade.texts.languages import Choice

_ASSETS_CACHE = "public, max-age=3600"


def console_routes(runtime: Runtime, languages: Choice) -> list[BaseRoute]:
    """Return the routes of all sections. Pages show times in the operator's zone, and texts in the reader's language."""
    menu = [
        MenuEntry(each.label, each.address, each.right, each.icon) for each in SECTIONS if each.is_in_menu
    ]
    templates = Templates(runtime, menu, languages)

    async def choose(request: Request) -> Response:
        return await choose_language(request, languages)

    routes: list[BaseRoute] = []
    for section in SECTIONS:
        pages = [page for pages in section.pages for page in pages]
        # "/partners/new" before "/partners/{partner_id}": the first route that fits answers.
        for page in sorted(pages, key=lambda page: "{" in page.path):
            routes += routes_of_page(templates, page, section.address)
        if section.routes is not None:
            routes += section.routes(templates)
    routes.append(PageRoute(LANGUAGE, with_error_pages(templates, choose), methods=("POST",)))
    routes.append(PageRoute(f"{HOME}/assets/{{name}}", with_error_pages(templates, _asset), is_public=True))
    # Last: it takes every address that no other route has.
    routes += routes_of_page(templates, Page(f"{HOME}/{{rest:path}}", _unknown_address), "")
    return routes


async def _asset(request: Request) -> Response:
    if request.path_params["name"] not in assets():
        raise HTTPException(404)
    content, kind = assets()[request.path_params["name"]]
    return Response(content, media_type=kind, headers={**HEADERS, "Cache-Control": _ASSETS_CACHE})


async def _unknown_address(request: StaffRequest) -> Response:
    if request.http.url.path.endswith("/"):
        return go_to(own_address(request.http.url.path.rstrip("/")))
    raise HTTPException(404)
