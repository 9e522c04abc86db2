"""Run the tests on the embedded PostgreSQL. Beside them run `make check` and some tests on a stand-alone PostgreSQL 15.

`make test` runs this. With `--all`, as in `make test-all`, nothing is left out, and more of the tests run on both.
"""

import argparse
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

TESTS = Path(__file__).parent
STANDALONE_BINARIES = Path("/usr/lib/postgresql/15/bin")
DIFFERS_BY_VERSION = [
    "contract/test_plans.py",
    "contract/test_schema.py",
    "contract/test_statements.py",
    "concurrency",
    "lifecycle/test_whole_life.py",
]
"""Plans, locks and the life of tickets: where versions of PostgreSQL may differ."""
ALSO_ON_BOTH = ["contract", "concurrency", "lifecycle", "acceptance", "rules", "faults", "reservations"]
"""More rules, and faults, for a run that may take longer."""
SPREAD = [
    "acceptance",
    "orders",
    "lifecycle",
    "reservations",
    "gate",
    "concurrency",
    "reads",
    "monitoring",
    "large",
]
"""Tests of sales, scans and reads, which also run on tables that are spread by partner."""
NOT_ON_BOTH = [
    "contract/test_schemathesis.py",
    "concurrency/test_queue.py",
    "concurrency/test_queue_over_http.py",
]
"""Malformed requests do not reach the database, and queues are in the memory of the service: one version is enough."""
PROCESSES, PROCESSES_BESIDE = 3, 1
"""Four processes on two processors: tests wait some of the time, and the run beside is soon over."""
TYPES_QUICK = "TYPES=src"
"""The types of the tests are checked by `make check` and `make test-all`: they cost as much as those of the product."""
SLOWEST = ["--durations=15", "--durations-min=10"]
"""Print the slowest tests at the end."""


@dataclass(frozen=True)
class Run:
    """A command that runs beside the others. Its output is printed as it comes, or at the end if it goes to a file."""

    process: subprocess.Popen[bytes]
    output: IO[bytes] | None = None

    def wait(self) -> int:
        """Return the exit code."""
        code = self.process.wait()
        if self.output is not None:
            self.output.seek(0)
            print(self.output.read().decode(), flush=True)
        return code


def start(*command: str, show_at_end: bool) -> Run:
    """Start a command."""
    print("$", " ".join(command), flush=True)
    output = tempfile.TemporaryFile() if show_at_end else None  # noqa: SIM115  (open as long as the run)
    return Run(subprocess.Popen(command, stdout=output, stderr=output), output)


def pytest(processes: int, *arguments: str) -> list[str]:
    """Return the command that runs tests."""
    command = [sys.executable, "-m", "pytest", "-n", str(processes), "--dist", "loadfile"]
    command += ["--no-loadscope-reorder"]  # conftest.py orders the files
    return [*command, *SLOWEST, *arguments]


def main() -> int:
    """Return 0, or 1 if something failed."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "--all", action="store_true", help="leave nothing out, and run more of the tests on both versions"
    )
    is_all = options.parse_args().all
    depth = [] if is_all else ["--quick"]
    # A background process may inherit an ignored SIGINT, and so would the programs that tests interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    runs = [
        start(*pytest(PROCESSES, "--postgres=embedded", *depth, str(TESTS)), show_at_end=False),
        start("make", "check", *([] if is_all else [TYPES_QUICK]), show_at_end=True),
    ]
    has_another = (STANDALONE_BINARIES / "initdb").exists()
    if has_another:
        on_both = [str(TESTS / path) for path in (ALSO_ON_BOTH if is_all else DIFFERS_BY_VERSION)]
        left_out = [f"--ignore={TESTS / path}" for path in NOT_ON_BOTH]
        beside = ["--postgres=standalone", *depth, *left_out, *on_both]
        runs.append(start(*pytest(PROCESSES_BESIDE, *beside), show_at_end=True))
    codes = [run.wait() for run in runs]
    if is_all:
        spread = ["--postgres=embedded", "--quick", "--spread", *(str(TESTS / path) for path in SPREAD)]
        codes.append(start(*pytest(PROCESSES, *spread), show_at_end=False).wait())
    if not has_another:
        print(f"NOT RUN on a stand-alone PostgreSQL 15: there is none in {STANDALONE_BINARIES}.")
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(main())
