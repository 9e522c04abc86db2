"""`/healthz` and `/readyz`, for whoever starts, stops and routes to the process."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from premade.http.gateway import PageRoute
from premade.http.problems import documented, problem_of
from premade.monitoring.readiness import NotReady, Readiness
from premade.runtime.errors import Busy, DatabaseAway


def monitoring_routes() -> list[BaseRoute]:
    """The routes."""
    return [
        PageRoute("/healthz", _healthz),
        PageRoute("/readyz", _readyz, documented(NotReady, DatabaseAway, Busy)),
    ]


async def _healthz(_: Request) -> Response:
    """The process is alive, whatever its database does."""
    return JSONResponse({"status": "alive"})


async def _readyz(request: Request) -> Response:
    """The worker is not about to stop; its database is current, takes writes and has about the same time."""
    refusal = await request.app.state.services[Readiness].refusal()
    if refusal is not None:
        return problem_of(refusal, path=request.url.path, request_id=request.state.request_id)
    return JSONResponse({"status": "ready"})
