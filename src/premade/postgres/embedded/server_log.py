"""The server's log file."""

import os
import shutil
from pathlib import Path
from typing import IO

from premade.postgres.embedded.programs import last_lines

LOG_LIMIT_BYTES = 10 * 1024 * 1024
QUOTED_BYTES = 8 * 1024


def _old(path: Path) -> Path:
    return path.with_name(f"{path.name}.old")


def open_log(path: Path) -> IO[bytes]:
    """Open the log at its end. A log above LOG_LIMIT_BYTES is renamed to `server.log.old` first."""
    if path.exists() and path.stat().st_size > LOG_LIMIT_BYTES:
        path.replace(_old(path))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    log = os.fdopen(descriptor, "ab")
    log.seek(0, os.SEEK_END)
    return log


def limit_log_size(path: Path) -> None:
    """Move the content of a log above LOG_LIMIT_BYTES to `server.log.old`, although the server has the file open.

    The server appends, so it continues at the new end. Lines that it writes between the copy and the cut are lost.
    """
    if not path.exists() or path.stat().st_size <= LOG_LIMIT_BYTES:
        return
    copy = path.with_name(f"{path.name}.new")
    # A crash may have left it behind.
    copy.unlink(missing_ok=True)
    with path.open("rb") as log, open_log(copy) as old:
        shutil.copyfileobj(log, old)
    copy.replace(_old(path))
    os.truncate(path, 0)


def end_of_log(path: Path, start: int = 0) -> str:
    """Return the last lines for an error message, none from before the byte `start`."""
    with path.open("rb") as log:
        log.seek(max(start, log.seek(0, os.SEEK_END) - QUOTED_BYTES))
        text = log.read().decode(errors="replace")
    return f"The end of {path}:\n{last_lines(text)}"
