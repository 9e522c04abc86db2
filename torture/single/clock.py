"""The clock of the machine, as the processes see it that have `clock.c` preloaded."""

import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

SOURCE = Path(__file__).with_name("clock.c")
COMPILER = "cc"
_SECONDS = struct.Struct("=q")


def has_compiler() -> bool:
    """Return whether the clock can be made."""
    return shutil.which(COMPILER) is not None


@dataclass(frozen=True)
class Clock:
    """A clock that is a number of seconds ahead. All processes share the file with the number."""

    library: Path
    seconds_file: Path

    @classmethod
    def made_in(cls, folder: Path) -> Self:
        """Compile the library, and set the clock right."""
        library = folder / "clock.so"
        subprocess.run([COMPILER, "-shared", "-fPIC", "-O2", "-o", library, SOURCE, "-ldl"], check=True)
        clock = cls(library, folder / "clock")
        clock.seconds_file.write_bytes(_SECONDS.pack(0))
        # The server's account reads both.
        for path in (library, clock.seconds_file):
            path.chmod(0o755)
        return clock

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a process that has this clock."""
        return {"LD_PRELOAD": str(self.library), "TORTURE_CLOCK": str(self.seconds_file)}

    def set_ahead(self, seconds: int) -> None:
        """Set the clock ahead of the right time, or behind it."""
        with self.seconds_file.open("r+b") as file:
            file.write(_SECONDS.pack(seconds))
