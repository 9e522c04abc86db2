"""The settings that the server is started with."""

import re
from collections.abc import Mapping
from types import MappingProxyType

from premade.postgres.embedded.errors import EmbeddedPostgresError
from premade.postgres.embedded.layout import PORT, Layout

DEFAULT_SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "listen_addresses": "",
        # The details of an error quote rows, and with them names and addresses.
        "log_error_verbosity": "terse",
        "max_connections": "200",
        # Under load a checkpoint every few minutes, not every few seconds: after each, whole pages go into the WAL.
        "max_wal_size": "4GB",
        "shared_buffers": "256MB",
        "unix_socket_permissions": "0700",
    }
)
FIXED_SETTINGS = frozenset({"port", "unix_socket_directories"})
"""Nobody may change these: the processes that share a server find it by them."""
NO_SETTINGS: Mapping[str, str] = MappingProxyType({})


def write_settings(layout: Layout, settings: Mapping[str, str]) -> None:
    """Write the file that cluster/postgresql.conf includes. `settings` replace the defaults of the same name.

    Raises:
        EmbeddedPostgresError: a name is not a setting's, or is one of FIXED_SETTINGS.
    """
    for name in settings:
        if not re.fullmatch(r"[A-Za-z_][\w.]*", name, re.ASCII) or name.lower() in FIXED_SETTINGS:
            raise EmbeddedPostgresError("embedded_setting", name=name)
    # In double quotes, because the value is a list of names.
    sockets = '"' + str(layout.socket_folder).replace('"', '""') + '"'
    ours = {"unix_socket_directories": sockets, "port": str(PORT)}
    lines = [
        f"{name} = {_quoted(value)}\n" for name, value in {**DEFAULT_SETTINGS, **settings, **ours}.items()
    ]
    path = layout.settings_file
    path.unlink(missing_ok=True)
    path.write_text("".join(lines), encoding="utf-8", errors="surrogateescape")
    # The server's account has to read it. The permissions of the folder decide who may enter.
    path.chmod(0o644)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "''").replace("\n", "\\n").replace("\r", "\\r")
    return f"'{escaped}'"
