"""Run all checks on one installation. Nothing is created, and only the embedded server may be started for a moment."""

import asyncio
from collections.abc import Generator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from premade.bootstrap import embedded_or_named, marker_of
from premade.doctor.check import ANY, Check, Installation, Mark, Result, SettingFault, result
from premade.doctor.checks.audit_months import AUDIT_MONTHS
from premade.doctor.checks.background_jobs import BACKGROUND_JOBS
from premade.doctor.checks.clocks import CLOCKS
from premade.doctor.checks.connections import CONNECTIONS
from premade.doctor.checks.database import DATABASE
from premade.doctor.checks.disk import DISK
from premade.doctor.checks.encryption import ENCRYPTION
from premade.doctor.checks.files import FILES
from premade.doctor.checks.incarnation import INCARNATION
from premade.doctor.checks.postgresql import POSTGRESQL
from premade.doctor.checks.processes import PROCESSES
from premade.doctor.checks.provider import PROVIDER
from premade.doctor.checks.replica import REPLICA
from premade.doctor.checks.role import ROLE
from premade.doctor.checks.schema import SCHEMA
from premade.doctor.checks.second_factor import SECOND_FACTOR
from premade.doctor.checks.sessions import SESSIONS
from premade.doctor.checks.settings import SETTINGS
from premade.doctor.checks.signing_keys import SIGNING_KEYS
from premade.doctor.checks.spread import SPREAD
from premade.doctor.checks.variables import VARIABLES
from premade.doctor.checks.version import VERSION
from premade.doctor.checks.zone import ZONE
from premade.postgres.database import open_database
from premade.postgres.embedded import EmbeddedPostgresError, has_cluster
from premade.postgres.reach import refusal_of
from premade.runtime.clock import Runtime
from premade.runtime.errors import DatabaseAway
from premade.runtime.settings import Settings, variable_of
from premade.texts.doctor import doctor_texts
from premade.values.validation_messages import in_words

CHECKS = (
    VERSION,
    SETTINGS,
    VARIABLES,
    DATABASE,
    POSTGRESQL,
    # It decides whether those that read tables can run.
    SCHEMA,
    ROLE,
    ENCRYPTION,
    CONNECTIONS,
    SESSIONS,
    REPLICA,
    SPREAD,
    ZONE,
    CLOCKS,
    INCARNATION,
    SIGNING_KEYS,
    SECOND_FACTOR,
    PROVIDER,
    PROCESSES,
    BACKGROUND_JOBS,
    AUDIT_MONTHS,
    DISK,
    FILES,
)
"""In the order of the output."""


@dataclass(frozen=True)
class Line:
    """One line of the output."""

    check: str
    mark: Mark
    text: str
    remedy: str | None
    facts: Mapping[str, str]


def examine(checks: Sequence[Check] = CHECKS) -> list[Line]:
    """Run the checks on the installation that the settings name, and return their results."""
    with _installation() as installation:
        return asyncio.run(_examine(installation, checks))


def worst(lines: Sequence[Line]) -> Mark:
    """Return the most serious mark."""
    return max((line.mark for line in lines), key=list(Mark).index)


@contextmanager
def _installation() -> Generator[Installation]:
    try:
        settings = Settings()
    except ValidationError as error:
        faults = [SettingFault(variable_of(detail["loc"][0]), in_words(detail)) for detail in error.errors()]
        yield Installation(Runtime(ZoneInfo("UTC")), faults)
        return
    installation = Installation(
        Runtime(settings.zone), settings_if_valid=settings, marker=marker_of(settings)
    )
    with ExitStack() as leaving:
        _find_database(installation, leaving)
        yield installation


def _find_database(installation: Installation, leaving: ExitStack) -> None:
    """Start or join the embedded server if it has data, and try a connection. `leaving` stops the server again."""
    settings = installation.settings
    place = settings.database_place
    try:
        if settings.database_url is None and not has_cluster(settings.database_folder):
            installation.database_state = result("none", place=place)
            return
        dsn = leaving.enter_context(embedded_or_named(settings))
    except EmbeddedPostgresError as error:
        installation.database_state = result("embedded_fails", place=place, why=error)
        return
    why = refusal_of(dsn)
    if why is None:
        installation.dsn = dsn
    installation.database_state = (
        result("refused", place=place, why=why) if why else result("ok", place=place)
    )


async def _examine(installation: Installation, checks: Sequence[Check]) -> list[Line]:
    async with AsyncExitStack() as leaving:
        if installation.dsn:
            opened = open_database(installation.dsn, connections_max=1)
            try:
                installation.database_if_reached = await leaving.enter_async_context(opened)
            except DatabaseAway as error:
                # It accepted a connection a moment ago.
                place = installation.settings.database_place
                installation.database_state = result("refused", place=place, why=error.detail)
        return [_line(check, found) for check in checks for found in await _results(check, installation)]


async def _results(check: Check, installation: Installation) -> Sequence[Result]:
    lack = installation.lack(check.needs)
    if lack is not None:
        return [lack]
    try:
        return await check.examine(installation)
    except DatabaseAway as error:
        # Do not let each of the others wait for it.
        installation.database_if_reached = None
        return [Result("failed", {"why": error.detail}, of=ANY)]
    except Exception as error:  # noqa: BLE001  (the other checks may succeed)
        return [Result("failed", {"why": " ".join(f"{type(error).__name__}: {error}".split())}, of=ANY)]


def _line(check: Check, found: Result) -> Line:
    templates = doctor_texts()[found.of or check.name][found.reason]
    return Line(
        check.name,
        Mark(templates.mark),
        templates.text.format_map(found.values),
        templates.remedy and templates.remedy.format_map(found.values),
        dict(found.facts),
    )
