"""The database of a process: the one that DATABASE_URL names, or the embedded one."""

import asyncio
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from premade.partners.name_keys import correct_name_keys
from premade.postgres.database import open_database
from premade.postgres.embedded import embedded_postgres, is_made
from premade.postgres.encoding import require_utf8
from premade.postgres.marker import Marker
from premade.postgres.migrations import check_current, migrate
from premade.postgres.pooler import require_own_sessions
from premade.postgres.service_role import renew_service_roles, rights_of_connection
from premade.postgres.zones import require_same_zone
from premade.runtime.clock import Runtime
from premade.runtime.errors import CommandError, Unavailable
from premade.runtime.logging import log
from premade.runtime.master_keys import MasterKeyMissing, create_master_key_file
from premade.runtime.settings import Settings, listed
from premade.texts.commands import command_text
from premade.tickets.incarnation import confirm_incarnation
from premade.tickets.sealing import report_unopened_keys
from premade.tickets.signing import ensure_signing_keys

_TEMPORARY = (
    "starting up",
    "shutting down",
    "in recovery",
    "too many",
    "remaining connection slots",
    "not accepting",
)
"""Parts of the messages of a server that cannot accept connections now, but soon may."""

MARKER = "incarnation"
"""Name of the file beside the embedded cluster (see `Marker`)."""


class NoDatabase(CommandError):
    """There is no database where this command looked."""

    code = "NO_DATABASE"


class DemoNotHere(CommandError):
    """The database has data of others."""

    code = "DEMO_NOT_HERE"


def require_database(settings: Settings) -> None:
    """Check that a database exists, so that a command never creates an empty one by mistake.

    Raises:
        NoDatabase: there is none.
    """
    if settings.database_url is None and not is_made(settings.database_folder):
        raise NoDatabase("none", place=settings.database_place)


@contextmanager
def ready_database(
    settings: Settings, runtime: Runtime, report: Callable[[str], None] = lambda _: None
) -> Generator[str]:
    """Yield a DSN whose schema is current.

    The embedded database is migrated here. `report` is called with a sentence for each thing that the operator should do
    then. The operator's own server is only changed by `premade migrate`.

    Raises:
        SchemaNotCurrent: the operator's server lacks migrations.
    """
    if settings.database_url is not None:
        require_own_sessions(settings.database_url)
        check_current(settings.database_url)
        require_same_zone(settings.database_url, runtime.zone)
        asyncio.run(_confirm(settings.database_url, runtime))
        yield settings.database_url
        return
    with embedded_or_named(settings) as dsn:
        if applied := bring_up_to_date(dsn, runtime, marker_of(settings), report):
            log.info("database.migrations_applied", migrations=applied)
        yield dsn


@contextmanager
def database_to_serve(settings: Settings, runtime: Runtime) -> Generator[str]:
    """Yield the DSN to serve on, as `ready_database` does.

    The server of DATABASE_URL may be unreachable: workers wait for it, and then check its schema.
    """
    if settings.database_url is None:
        with ready_database(
            settings, runtime, lambda sentence: log.warning("database.migrated", detail=sentence)
        ) as dsn:
            asyncio.run(_report_unopened_keys(dsn, runtime))
            _warn_of_locked_out_roles(settings, runtime)
            yield dsn
        return
    _warn_of_locked_out_roles(settings, runtime)
    try:
        require_own_sessions(settings.database_url)
        check_current(settings.database_url)
        _warn_of_excess(settings.database_url)
        asyncio.run(_report_unopened_keys(settings.database_url, runtime))
    except (psycopg.OperationalError, Unavailable) as error:
        if isinstance(error, psycopg.OperationalError) and _refuses_for_good(error):
            raise
        log.warning(
            "database.away",
            detail=" ".join(str(error).split()),
            does="the service starts, and becomes ready when the database answers",
        )
    yield settings.database_url


async def _report_unopened_keys(dsn: str, runtime: Runtime) -> None:
    async with open_database(dsn, connections_max=1) as database:
        await report_unopened_keys(database, runtime)


def _warn_of_locked_out_roles(settings: Settings, runtime: Runtime) -> None:
    """Log an error if roles need a second factor that cannot be checked, because there is no master key."""
    if not settings.second_factor_roles:
        return
    try:
        runtime.master_keys()
    except MasterKeyMissing as missing:
        log.error(
            "second_factor.no_master_key",
            roles=listed(settings.second_factor_roles),
            detail=str(missing),
            remedy=command_text("PROGRESS", "second_factor_remedy"),
        )


def _warn_of_excess(dsn: str) -> None:
    """Log a warning if the service's role could change the schema or the audit record."""
    rights = asyncio.run(rights_of_connection(dsn))
    if rights.excess:
        log.warning(
            "database.role_too_powerful",
            role=rights.role,
            excess=list(rights.excess),
            remedy=command_text("PROGRESS", "service_role_remedy"),
        )


def _refuses_for_good(error: psycopg.OperationalError) -> bool:
    """Return whether a server responded and will go on refusing: unknown role or database, wrong password.

    Only libpq's message says so.
    """
    text = str(error)
    return "FATAL:" in text and not any(part in text for part in _TEMPORARY)


@contextmanager
def embedded_or_named(settings: Settings) -> Generator[str]:
    """Yield the DSN. Its schema may not be current."""
    if settings.database_url is not None:
        yield settings.database_url
        return
    with embedded_postgres(settings.database_folder) as dsn:
        yield dsn


def marker_of(settings: Settings) -> Marker | None:
    """Return the file beside the embedded cluster; None where the operator names a server."""
    return None if settings.database_url is not None else Marker(settings.data_dir / "postgres" / MARKER)


def bring_up_to_date(
    dsn: str, runtime: Runtime, marker: Marker | None = None, report: Callable[[str], None] = lambda _: None
) -> list[str]:
    """Migrate, create the first signing keys, correct the keys of partners' names, and detect a restore.

    Roles of the service get the rights on new tables.

    Return the names of the applied migrations. `report` is called with a sentence for each thing that the operator should do.
    """
    require_own_sessions(dsn)
    require_utf8(dsn)
    require_same_zone(dsn, runtime.zone)
    applied = migrate(dsn, report)
    for role in asyncio.run(renew_service_roles(dsn)):
        report(command_text("PROGRESS", "service_role_renewed", role=role))
    for note in asyncio.run(_after_migrating(dsn, runtime)):
        report(note)
    asyncio.run(_confirm(dsn, runtime, marker))
    return applied


async def _after_migrating(dsn: str, runtime: Runtime) -> list[str]:
    """Compute what migrations cannot. Return what the operator should do, such as for a name that clashes with another's."""
    async with open_database(dsn, connections_max=1) as database:
        created: list[Path | None] = []
        await ensure_signing_keys(database, runtime, lambda: created.append(create_master_key_file()))
        notes = [
            command_text("PROGRESS", "master_key_created", path=path) for path in created if path is not None
        ]
        return notes + await correct_name_keys(database)


async def _confirm(dsn: str, runtime: Runtime, marker: Marker | None = None) -> None:
    async with open_database(dsn, connections_max=1) as database:
        await confirm_incarnation(database, runtime, marker=marker)
