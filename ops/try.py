"""Try what ops/ describes on this machine: `python ops/try.py` for all, `python ops/try.py systemd` for one."""

import argparse
import fcntl
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from tempfile import gettempdir

from tries.steps import TryFailed

TRIES = ["systemd", "container", "manifests"]
"""Modules of `tries`; each has a function `try_<name>`."""
LOCK = Path(gettempdir(), "premade-ops.lock")


def main() -> int:
    """Return 0, or 1 if a try failed."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("tries", nargs="*", metavar="|".join(TRIES), default=TRIES)
    names: list[str] = options.parse_args().tries
    if unknown := [name for name in names if name not in TRIES]:
        options.error(f"there is no try {unknown[0]!r}: choose from {', '.join(TRIES)}")
    with LOCK.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            options.error("this script runs already on this machine, and both would use the same images")
        passed = [_passes(name) for name in names]
    return int(not all(passed))


def _passes(name: str) -> bool:
    began = time.monotonic()
    module = import_module(f"tries.{name}")
    attempt: Callable[[], None] = getattr(module, f"try_{name}")
    try:
        attempt()
    except TryFailed as failure:
        print(f"{name} FAILED: {failure}", flush=True)
        return False
    print(f"{name}: passed in {time.monotonic() - began:.0f} s", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
