"""The PostgreSQL that is installed with the package, run so that one command is enough.

Files in the folder of one embedded database (`layout.py`):

    cluster/       the data directory, made by initdb
    settings.conf  written before each start; cluster/postgresql.conf includes it
    server.log     the server's log; the file before it is server.log.old
    start.lock     held exclusively by the process that starts or stops the server
    users.lock     held shared by every user; a process that can take it exclusively is the last one
    server.lock    inherited by the server's own processes; if it is free, all of them have ended

The kernel releases a lock when its last holder ends, even if it is killed. So nothing here depends on an orderly end or on
process ids, which a restarted container reuses.
"""

from premade.postgres.embedded.access_lists import grant
from premade.postgres.embedded.account import let_pass
from premade.postgres.embedded.errors import EmbeddedPostgresError
from premade.postgres.embedded.programs import WHEEL, binaries
from premade.postgres.embedded.use import embedded_postgres, has_cluster, is_made, limit_log, restart_if_gone

__all__ = [
    "WHEEL",
    "EmbeddedPostgresError",
    "binaries",
    "embedded_postgres",
    "grant",
    "has_cluster",
    "is_made",
    "let_pass",
    "limit_log",
    "restart_if_gone",
]
