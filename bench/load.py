"""Load on the service by wrk and on the database by pgbench, and its result."""

import json
import re
import statistics
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from premade.postgres.embedded import binaries

HERE = Path(__file__).parent
SECONDS_OVER_MAX = 60


class Void(Exception):
    """A measurement is void: it measured something else than intended."""


@dataclass(frozen=True)
class Load:
    """Result of a load. `statuses`: number of responses by status."""

    seconds: float
    statuses: dict[int, int]
    p50_ms: float
    p99_ms: float

    @property
    def per_second(self) -> float:
        """Responses per second."""
        return sum(self.statuses.values()) / self.seconds

    def all_of(self, *expected: int) -> "Load":
        """Return this result.

        Raises:
            Void: a response had another status, or one of these statuses never came.
        """
        if set(self.statuses) != set(expected):
            message = f"Answers with {self.statuses}, while {expected} were expected"
            raise Void(message)
        return self


def wrk(url: str, script: str, *arguments: object, clients: int, seconds: int) -> Load:
    """Run wrk with one thread, which needs a fifth of a core at most."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as both:
        # wrk accepts only one script.
        both.write((HERE / "wrk" / "report.lua").read_text() + (HERE / "wrk" / script).read_text())
        both.flush()
        command = [
            "wrk",
            *("--threads", "1", "--connections", str(clients), "--duration", f"{seconds}s"),
            *("--timeout", "20s", "--script", both.name, url, "--"),
            *(str(argument) for argument in arguments),
        ]
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=seconds + SECONDS_OVER_MAX
        )
    result = json.loads(done.stdout.splitlines()[-1])
    if result["socket_errors"]:
        message = f"wrk had {result['socket_errors']} errors of its sockets"
        raise Void(message)
    statuses = {int(status): count for status, count in result["statuses"].items()}
    return Load(result["seconds"], statuses, result["p50_ms"], result["p99_ms"])


def pgbench(dsn: str, script: str, *, clients: int, seconds: int, **variables: int) -> Load:
    """Run pgbench. Each transaction counts as a response with status 0."""
    place = conninfo_to_dict(dsn)
    with tempfile.TemporaryDirectory() as folder:
        command = [
            binaries() / "pgbench",
            *("--no-vacuum", "--protocol", "prepared", "--log", "--log-prefix", f"{folder}/log"),
            *("--client", str(clients), "--jobs", str(min(2, clients)), "--time", str(seconds)),
            *("--host", str(place["host"]), "--port", str(place["port"]), "--username", str(place["user"])),
            *("--file", HERE / "pgbench" / script),
            *(word for name, value in variables.items() for word in ("--define", f"{name}={value}")),
            str(place["dbname"]),
        ]
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=seconds + SECONDS_OVER_MAX
        )
        # The third field of a line is the duration of a transaction, in microseconds.
        times = sorted(
            int(line.split()[2]) / 1000
            for log in Path(folder).iterdir()
            for line in log.read_text().splitlines()
        )
    if "failed" in done.stdout and not re.search(r"failed transactions: 0 ", done.stdout):
        raise Void(done.stdout)
    return Load(
        seconds, {0: len(times)}, statistics.median(times), times[min(len(times) - 1, len(times) * 99 // 100)]
    )
