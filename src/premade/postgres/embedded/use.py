"""Use of the embedded database by several processes: the first starts the server, the last stops it."""

import contextlib
import os
from collections.abc import Generator, Mapping
from pathlib import Path

from premade.postgres.embedded.configuration import NO_SETTINGS
from premade.postgres.embedded.errors import os_errors_explained
from premade.postgres.embedded.layout import Layout
from premade.postgres.embedded.locks import exclusive_lock, release, shared_lock, try_lock
from premade.postgres.embedded.server import Server
from premade.postgres.embedded.server_log import limit_log_size


@contextlib.contextmanager
def embedded_postgres(
    folder: Path, *, database: str = "premade", settings: Mapping[str, str] = NO_SETTINGS
) -> Generator[str]:
    """Start the server of this folder, or join the one that runs already; yield a URL for libpq.

    The `database` is created if it is absent. The last user to leave stops the server. `settings` replace the defaults;
    they take effect when the server starts, not when it is joined.

    Raises:
        EmbeddedPostgresError: the message says what happened and what to do.
    """
    folder = Path(os.path.realpath(folder))
    with contextlib.ExitStack() as leaving:
        with os_errors_explained(folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with exclusive_lock(Layout(folder).start_lock):
                server = Server.of(folder)
                server.make_socket_folder()
                # Does not wait: an exclusive holder also holds the start lock, which this process has now.
                leaving.callback(_leave, server, shared_lock(server.layout.users_lock))
                server.start(settings)
                server.create_database(database)
        yield server.layout.url(database)


def restart_if_gone(folder: Path) -> bool:
    """Start the server again if its processes have ended or its pid file is lost. Return whether it was started.

    The caller must be one of its users. If two users try at the same moment, one of them starts it.

    Raises:
        EmbeddedPostgresError: it cannot be started.
    """
    server = Server.of(folder)
    if server.has_processes():
        return False
    with os_errors_explained(server.layout.folder), exclusive_lock(server.layout.start_lock):
        if server.has_processes():
            return False
        server.start(NO_SETTINGS)
    return True


def limit_log(folder: Path) -> None:
    """Keep the log of a running server within its limit.

    Raises:
        EmbeddedPostgresError: the log cannot be copied.
    """
    with os_errors_explained(folder):
        limit_log_size(Layout(folder).log)


def is_made(folder: Path) -> bool:
    """Return whether the folder has a database, or one is being created in it."""
    layout = Layout(folder)
    return layout.cluster.is_dir() or layout.users_lock.exists()


def has_cluster(folder: Path) -> bool:
    """Return whether the folder has a finished database.

    Raises:
        EmbeddedPostgresError: this user may not look into the folder.
    """
    with os_errors_explained(folder):
        return Layout(folder).cluster.is_dir()


def _leave(server: Server, users: int) -> None:
    layout = server.layout
    try:
        with os_errors_explained(layout.folder), exclusive_lock(layout.start_lock):
            if try_lock(users):
                server.stop()
    finally:
        release(users)
