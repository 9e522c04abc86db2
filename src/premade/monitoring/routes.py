"""`/healthz` and `/readyz`, for whoever starts, stops and routes to the process."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from premade.base import statements
from premade.base.edge import Page
from premade.base.errors import Busy, DatabaseAway, Unavailable
from premade.base.migrate import migrations
from premade.base.problems import documented, problem_of
from premade.base.work import Database

sql = statements.load(__file__)


READY_SECONDS_MAX = 2.0
"""Less than whoever asks usually waits."""


class NotReady(Unavailable):
    """The process runs but should get no requests yet."""

    code = "NOT_READY"
    title = "The service is not ready"
    remedy = "Wait; where the schema is not current, the operator runs 'premade migrate'."


def monitoring_routes() -> list[BaseRoute]:
    """The routes."""
    return [Page("/healthz", _healthz), Page("/readyz", _readyz, documented(NotReady, DatabaseAway, Busy))]


async def _healthz(_: Request) -> Response:
    """The process is alive, whatever its database does."""
    return JSONResponse({"status": "alive"})


async def _readyz(request: Request) -> Response:
    """The database answers and its schema is current."""
    refusal: Unavailable | None = None
    try:
        if missing := await _missing(request.app.state.database):
            refusal = NotReady(f"The database lacks {', '.join(missing)}.")
    except Unavailable as error:
        refusal = error
    if refusal is not None:
        return problem_of(refusal, path=request.url.path, request_id=request.state.request_id)
    return JSONResponse({"status": "ready"})


async def _missing(database: Database) -> list[str]:
    async with database.single_statement(READY_SECONDS_MAX) as work:
        migrated = await work.one(sql.is_migrated)
        assert migrated is not None
        rows = await work.all(sql.applied_migrations) if migrated["ever"] else []
    applied = {row["name"] for row in rows}
    return [migration.name for migration in migrations() if migration.name not in applied]
