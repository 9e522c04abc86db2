"""`/healthz` and `/readyz`, for service managers and load balancers."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from premade.http.gateway import PageRoute
from premade.http.problems import documented, problem_of
from premade.monitoring.readiness import NotReady, Readiness
from premade.runtime.errors import Busy, DatabaseAway


def monitoring_routes() -> list[BaseRoute]:
    """Return the routes."""
    return [
        PageRoute("/healthz", _healthz),
        PageRoute("/readyz", _readyz, documented(NotReady, DatabaseAway, Busy)),
    ]


async def _healthz(_: Request) -> Response:
    """Answer that the process is alive. Does not check the database."""
    return JSONResponse({"status": "alive"})


async def _readyz(request: Request) -> Response:
    """Answer whether the worker is ready: not stopping, schema current, database writable, clocks close together."""
    refusal = await request.app.state.services[Readiness].refusal()
    if refusal is not None:
        return problem_of(refusal, path=request.url.path, request_id=request.state.request_id)
    return JSONResponse({"status": "ready"})
