"""A file beside the embedded cluster that tells whether the folder is the one that was left, or a copy put back."""

import os
from dataclasses import dataclass
from pathlib import Path

_NONCE_BYTES = 8


@dataclass(frozen=True)
class Marker:
    """The file. It is written anew after each start of the server, so an incremental restore never skips it."""

    path: Path

    def read(self) -> str | None:
        """Return what the file holds and when its inode changed, which no copy keeps; None without a file."""
        try:
            status = self.path.stat()
            return f"{self.path.read_text()} {status.st_ino} {status.st_ctime_ns}"
        except FileNotFoundError:
            return None

    def renew(self) -> str | None:
        """Write a new file, and return what `read` says of it."""
        new = self.path.with_name(f"{self.path.name}.new")
        new.write_text(os.urandom(_NONCE_BYTES).hex())
        new.replace(self.path)
        return self.read()
