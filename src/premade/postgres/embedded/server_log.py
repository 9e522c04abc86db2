"""The server's log file."""

import os
from pathlib import Path
from typing import IO

from premade.postgres.embedded.programs import last_lines

LOG_LIMIT_BYTES = 10 * 1024 * 1024
QUOTED_BYTES = 8 * 1024


def open_log(path: Path) -> IO[bytes]:
    """Open the log at its end. A log above LOG_LIMIT_BYTES is renamed to `server.log.old` first."""
    if path.exists() and path.stat().st_size > LOG_LIMIT_BYTES:
        path.replace(path.with_name(f"{path.name}.old"))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    log = os.fdopen(descriptor, "ab")
    log.seek(0, os.SEEK_END)
    return log


def end_of_log(path: Path, start: int = 0) -> str:
    """Return the last lines for an error message, none from before the byte `start`."""
    with path.open("rb") as log:
        log.seek(max(start, log.seek(0, os.SEEK_END) - QUOTED_BYTES))
        text = log.read().decode(errors="replace")
    return f"The end of {path}:\n{last_lines(text)}"
