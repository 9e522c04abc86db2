"""Small disks of their own, for what happens when space runs out."""

import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, options: str) -> Generator[None]:
    """A small disk of its own at the folder, of the same owner. Skipped where this process may not mount one."""
    owner = folder.stat()
    how = ["-t", "tmpfs", "-o", f"{options},mode=700,uid={owner.st_uid},gid={owner.st_gid}"]
    mounted = subprocess.run(["mount", *how, "tmpfs", folder], check=False, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"A tmpfs cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)
