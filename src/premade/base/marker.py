"""A file beside the embedded cluster that tells whether the folder is the one that was left, or a copy put back."""

import ctypes
import os
import struct
from dataclasses import dataclass
from pathlib import Path

_NONCE_BYTES = 8
# statx(2): in the caller's folder, the time of birth alone; where that stands in the answer, and its size in bytes.
_AT_FDCWD = -100
_STATX_BTIME = 0x800
_BTIME_OFFSET = 80
_STATX_BYTES = 256
_NS = 1_000_000_000


@dataclass(frozen=True)
class Marker:
    """The file. It is made anew after each start of the server, so a copy that is put back is never the same file."""

    path: Path

    def read(self) -> str | None:
        """Return what the file holds and when it was made, which no copy keeps; None without a file."""
        try:
            return f"{self.path.read_text()} {_made_at(self.path)}"
        except FileNotFoundError:
            return None

    def renew(self) -> str | None:
        """Make a new file, and return what `read` says of it."""
        new = self.path.with_name(f"{self.path.name}.new")
        # Written anew, an old one that a crash left would keep its time.
        new.unlink(missing_ok=True)
        new.write_text(os.urandom(_NONCE_BYTES).hex())
        new.replace(self.path)
        return self.read()


def _made_at(path: Path) -> str:
    """Return when the file was made; where the file system does not tell, when its inode changed last.

    A change of owner or mode, which some containers do at each start, leaves the first as it is.
    """
    status = path.stat()
    answer = ctypes.create_string_buffer(_STATX_BYTES)
    try:
        failed = ctypes.CDLL(None).statx(_AT_FDCWD, os.fsencode(path), 0, _STATX_BTIME, answer)
    except AttributeError:
        # Only Linux has the call.
        failed = -1
    if failed or not struct.unpack_from("I", answer)[0] & _STATX_BTIME:
        return f"changed {status.st_ino} {status.st_ctime_ns}"
    seconds, nanoseconds = struct.unpack_from("qI", answer, _BTIME_OFFSET)
    return f"made {seconds * _NS + nanoseconds}"
