"""`/`, `/openapi.json`, `/docs` and `/problems/<code>`."""

import asyncio
import math
from collections.abc import Awaitable, Callable

import orjson
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute

from premade.api_docs import pages
from premade.api_docs.openapi import openapi_document
from premade.http.gateway import PageRoute
from premade.http.problems import MEDIA_TYPE
from premade.runtime.single_flight import SingleFlightCache

_HEADERS = {
    "Content-Security-Policy": pages.CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_ASSETS_CACHE = "public, max-age=3600"


def document_routes(app: FastAPI) -> list[BaseRoute]:
    """Return the routes of the API documentation, for the current routes of `app`."""
    problems = problems_of(app)
    explained = {
        code: HTMLResponse(pages.problem_page(code, text), headers=_HEADERS)
        for code, text in problems.items()
    }

    async def write_document(_: None) -> Response:
        body = await asyncio.to_thread(lambda: orjson.dumps(openapi_document(app)))
        return Response(body, media_type="application/json", headers=_HEADERS)

    # At the first request, not at the start: it takes a tenth of a second, and few processes get this request.
    document = SingleFlightCache(write_document, app.state.runtime.monotonic_seconds)

    async def openapi(_: Request) -> Response:
        return await document.get(None, math.inf)

    async def problem(request: Request) -> Response:
        if request.path_params["code"] not in explained:
            raise HTTPException(404)
        return explained[request.path_params["code"]]

    fixed = {
        "/": _fixed(HTMLResponse(pages.home_page(), headers=_HEADERS)),
        "/favicon.ico": _fixed(_asset_named(pages.FAVICON)),
        "/openapi.json": openapi,
        "/docs": _fixed(HTMLResponse(pages.DOCS_PAGE, headers=_HEADERS)),
        "/problems": _fixed(HTMLResponse(pages.problems_page(problems), headers=_HEADERS)),
        "/problems/{code}": problem,
        "/docs/assets/{name:path}": _asset,
    }
    return [PageRoute(path, endpoint, is_public=True) for path, endpoint in fixed.items()]


def problems_of(app: FastAPI) -> pages.Problems:
    """Return the errors that the public routes of `app` declare."""
    listed = {
        code
        for route in app.router.routes
        if isinstance(route, APIRoute | PageRoute) and route.include_in_schema
        for answer in route.responses.values()
        for code in answer.get("content", {}).get(MEDIA_TYPE, {}).get("examples", {})
    }
    return pages.problems(listed)


def _fixed(answer: Response) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(_: Request) -> Response:
        return answer

    return endpoint


async def _asset(request: Request) -> Response:
    if request.path_params["name"] not in pages.assets():
        raise HTTPException(404)
    return _asset_named(request.path_params["name"])


def _asset_named(name: str) -> Response:
    media_type = pages.MEDIA_TYPES[name.rpartition(".")[2]]
    content = pages.assets()[name]
    return Response(content, media_type=media_type, headers={**_HEADERS, "Cache-Control": _ASSETS_CACHE})
