"""Disks of their own that can be filled."""

import os
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PIECE_BYTES_MAX, _PIECE_BYTES_MIN = 64 * 1024**2, 4096
_FILL_ATTEMPTS_MAX = 100


@dataclass(frozen=True)
class ImageDisk:
    """A file system in a file, mounted at a folder. The file is sparse: only written blocks take space."""

    folder: Path
    size_bytes: int

    def mount(self) -> None:
        """Make the disk and mount it."""
        image = self.folder.with_suffix(".img")
        with image.open("wb") as file:
            file.truncate(self.size_bytes)
        # Reserve no blocks for root, so that a full disk is full for everybody.
        _run("mkfs.ext4", "-q", "-m", "0", image)
        _run("mount", "-o", "loop", image, self.folder)

    def fill(self) -> None:
        """Take all free space."""
        size, piece = 0, _PIECE_BYTES_MAX
        with self._filler.open("wb") as file:
            while piece >= _PIECE_BYTES_MIN:
                try:
                    os.posix_fallocate(file.fileno(), size, piece)
                    size += piece
                except OSError:
                    piece //= 2

    def clear(self) -> None:
        """Free the space that `fill` took."""
        with suppress(FileNotFoundError):
            self._filler.unlink()

    def unmount(self) -> None:
        """Unmount the disk, so that its folder can be removed. A process that was just killed may still hold a file."""
        _run("umount", "--lazy", self.folder)

    @property
    def _filler(self) -> Path:
        return self.folder / "filler"


@dataclass(frozen=True)
class MemoryDisk:
    """A tmpfs at a folder. As a disk does, it survives all processes; a flush to it costs nothing."""

    folder: Path
    size_bytes: int

    def mount(self) -> None:
        """Mount it."""
        _run("mount", "-t", "tmpfs", "-o", f"size={self.size_bytes},mode=755", "tmpfs", self.folder)

    def fill(self) -> None:
        """Make the disk as small as what is on it."""
        for _ in range(_FILL_ATTEMPTS_MAX):
            state = os.statvfs(self.folder)
            # It fails if something was written meanwhile.
            with suppress(subprocess.CalledProcessError):
                self._resize((state.f_blocks - state.f_bfree) * state.f_frsize)
                return

    def clear(self) -> None:
        """Give the disk its size again."""
        self._resize(self.size_bytes)

    def unmount(self) -> None:
        """Unmount the disk, so that its folder can be removed."""
        _run("umount", "--lazy", self.folder)

    def _resize(self, size_bytes: int) -> None:
        _run("mount", "-o", f"remount,size={size_bytes}", self.folder)


def _run(*command: str | Path) -> None:
    subprocess.run([str(part) for part in command], check=True, capture_output=True)
