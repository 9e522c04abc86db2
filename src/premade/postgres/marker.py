"""A file beside the embedded cluster by which a copy or a restored backup of the folder is recognized."""

import ctypes
import os
import struct
from dataclasses import dataclass
from pathlib import Path

_NONCE_BYTES = 8
# statx(2): relative to the working directory, creation time only; its offset in the result, and the result's size in bytes.
_AT_FDCWD = -100
_STATX_BTIME = 0x800
_BTIME_OFFSET = 80
_STATX_BYTES = 256
_NS = 1_000_000_000


@dataclass(frozen=True)
class Marker:
    """The file. Each start of the server creates it again, so a copy of the folder never has the same file."""

    path: Path

    def read(self) -> str | None:
        """Return the file's content and creation time, which no copy keeps, or None without a file."""
        try:
            return f"{self.path.read_text()} {_creation_time(self.path)}"
        except FileNotFoundError:
            return None

    def renew(self) -> str | None:
        """Create a new file, and return what `read` returns for it."""
        new = self.path.with_name(f"{self.path.name}.new")
        # Overwriting a file left by a crash would keep its creation time.
        new.unlink(missing_ok=True)
        new.write_text(os.urandom(_NONCE_BYTES).hex())
        new.replace(self.path)
        return self.read()


def _creation_time(path: Path) -> str:
    """Return the file's creation time, or if the file system has none, the time of its last inode change.

    A change of owner or mode, as some containers make at each start, does not change the creation time.
    """
    status = path.stat()
    answer = ctypes.create_string_buffer(_STATX_BYTES)
    try:
        failed = ctypes.CDLL(None).statx(_AT_FDCWD, os.fsencode(path), 0, _STATX_BTIME, answer)
    except AttributeError:
        # statx exists only on Linux.
        failed = -1
    if failed or not struct.unpack_from("I", answer)[0] & _STATX_BTIME:
        return f"changed {status.st_ino} {status.st_ctime_ns}"
    seconds, nanoseconds = struct.unpack_from("qI", answer, _BTIME_OFFSET)
    return f"made {seconds * _NS + nanoseconds}"
