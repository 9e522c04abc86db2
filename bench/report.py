"""Write the figures as a page and as JSON."""

import json
import os
import platform
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from bench.figures import Figure, Figures
from premade.postgres.embedded import binaries

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "performance.md"
FIGURES = ROOT / "docs" / "performance.json"
BY_HAND = "## Where the time goes"
"""From this heading on, the page is written by hand, and stays."""


def write(figures: Figures, rounds: int, seconds: float) -> None:
    """Write both files."""
    measured = figures.measured()
    FIGURES.write_text(
        json.dumps({"figures": [_as_json(figure) for figure in measured]}, indent=2, ensure_ascii=False)
        + "\n"
    )
    before = PAGE.read_text() if PAGE.exists() else ""
    kept = before[before.index(BY_HAND) :] if BY_HAND in before else ""
    PAGE.write_text(f"{_page(measured, rounds, seconds)}\n{kept}")


def _as_json(figure: Figure) -> dict[str, object]:
    return {
        "name": figure.name,
        "value": round(figure.value, 3),
        "better": figure.better,
        "must": figure.must,
        "aim": figure.aim,
        "low": round(figure.low, 3),
        "high": round(figure.high, 3),
    }


def _page(measured: list[Figure], rounds: int, seconds: float) -> str:
    rows = "\n".join(
        f"| {figure.name} | **{_number(figure.value)}** | {_number(figure.low)} to {_number(figure.high)} "
        f"| {_number(figure.must)} | {_number(figure.aim)} | {figure.verdict} |"
        for figure in measured
    )
    return f"""# Performance

`make bench` writes this page, up to the last heading: {rounds} rounds in {seconds:.0f} seconds. Each round measures the
service and its ceilings in turn. They run on a separate PostgreSQL with its default durability (`fsync` and
`synchronous_commit` on). Load generator, service (2 workers) and database share the machine. A row shows the median of
the rounds, and the lowest and highest value. "Server CPU" is the processor time of the service alone: its parent and
its workers, without PostgreSQL. If a response has an unexpected status, the measurement is void and the run ends.

| figure | median | range | must | aim | reached |
|---|---|---|---|---|---|
{rows}

The ceilings are in `bench/pgbench/`. They write the same order, ticket and audit event to the same tables, with all
indexes, constraints and triggers. They use a Unix socket and 64 clients, as the service does. Two rows compare with 16
clients, because `pgbench` reaches its highest rate there on two cores. 64 PostgreSQL processes slow each other down; the
service avoids this.

The service does more in the same time. It checks the API key and every value, and replays a repeated `Idempotency-Key`.
It takes order ids from the logical clock, writes its log and counts.

Activations with 10 million tickets use tickets of the newest batches in random order, as partners sell them. Two rows
show more expensive cases. In the second after a checkpoint, PostgreSQL writes each changed page to its log as a whole. The
`Idempotency-Key` and the e-mail address of a sale go to random pages of their indexes. Tickets anywhere in the table each
need a few pages that are not in PostgreSQL's own memory. The machine's memory has them, as on any machine with enough
memory for its database.

{_machine()}
"""


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"  # noqa: PLR2004  (from here on no digit is worth more)


def _machine() -> str:
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    wrk = subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False).stdout
    postgres = subprocess.run(
        [binaries() / "postgres", "--version"], capture_output=True, text=True, check=True
    )
    return "\n".join(
        [
            "| | |",
            "|---|---|",
            f"| date | {datetime.now(UTC):%Y-%m-%d} |",
            f"| machine | {cpu[1] if cpu else 'unknown'}, {os.cpu_count()} cores, {memory:.0f} GiB, Linux {platform.release().partition('-')[0]} |",
            f"| versions | Python {platform.python_version()}, {postgres.stdout.strip()}, wrk {wrk.split()[1] if wrk else ''} |",
        ]
    )
