"""Programs that run beside a test, such as a load balancer or a pooler."""

import subprocess
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from support.processes import wait_until

STOP_SECONDS_MAX = 30


@contextmanager
def running_program(
    command: Sequence[str | Path],
    log: Path,
    is_ready: Callable[[], bool],
    *,
    environment: dict[str, str] | None = None,
    user: str | None = None,
) -> Generator[subprocess.Popen[bytes]]:
    """Run a program until the end of the block, which begins when `is_ready`. Its paths are absolute.

    Raises:
        AssertionError: it ended, or is not ready in time. The text is its log.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment, user=user, cwd="/")

    def runs_and_is_ready() -> bool:
        assert process.poll() is None, f"{command[0]} ended: {log.read_text()}"
        return is_ready()

    try:
        wait_until(runs_and_is_ready, f"{command[0]} is not ready")
        yield process
    finally:
        process.terminate()
        process.wait(STOP_SECONDS_MAX)
