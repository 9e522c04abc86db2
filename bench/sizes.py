"""Sizes of the log and of the memory under load: `python -m bench.sizes`. docs/doctor-and-logs.md quotes them."""

import gzip
import json
import shutil
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from bench.operations import activate, generate, redeem
from bench.place import Place, make_database, service_on
from bench.services import server_of
from premade.postgres.embedded import embedded_postgres

CLIENTS = 32
GENERATORS = 2
SECONDS = 10
MIB = 2**20


def print_memory(name: str, processes: Iterable[psutil.Process]) -> None:
    """Print the memory of these processes together. PSS counts a page that several share in equal parts."""
    infos: list[Any] = []
    for process in processes:
        # A connection may have ended since the processes were listed.
        with suppress(psutil.NoSuchProcess):
            infos.append(process.memory_full_info())
    pss, rss = (sum(getattr(info, kind) for info in infos) / MIB for kind in ("pss", "rss"))
    print(f"| {name} | {len(infos)} | {pss:.0f} | {rss:.0f} |")


def print_all_memory(when: str, place: Place) -> None:
    parent, *workers = place.processes
    print_memory(f"{when}: parent", [parent])
    print_memory(f"{when}: workers", workers)
    server = server_of(place.dsn)
    print_memory(f"{when}: PostgreSQL", [server, *server.children(recursive=True)])


def print_log(log: Path) -> None:
    """Print the sizes of the lines by event and route."""
    sizes: dict[str, list[int]] = defaultdict(list)
    text = log.read_bytes()
    for line in text.splitlines(keepends=True):
        parsed = json.loads(line)
        sizes[f"{parsed['event']} {parsed.get('route', '')}".strip()].append(len(line))
    print("\n| line of the log | lines | mean bytes | largest |\n|---|---|---|---|")
    for event, of_event in sorted(sizes.items(), key=lambda item: -sum(item[1])):
        print(f"| {event} | {len(of_event)} | {statistics.mean(of_event):.0f} | {max(of_event)} |")
    print(f"\ngzip makes the log {len(text) / len(gzip.compress(text)):.1f} times smaller.")


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="premade-sizes-"))
    # The server may run as another user.
    folder.chmod(0o711)
    try:
        with (
            embedded_postgres(folder / "postgres") as server,
            service_on(make_database(server, "sizes"), folder / "log") as place,
        ):
            print("| memory, MiB | processes | PSS | RSS |\n|---|---|---|---|")
            print_all_memory("at the start", place)
            generate(place, "SIZES", SECONDS, GENERATORS)
            print_all_memory("after batches", place)
            activate(place, CLIENTS, SECONDS)
            print_all_memory("after sales", place)
            redeem(place, CLIENTS, SECONDS)
            print_all_memory("after redemptions", place)
            print_log(folder / "log")
            print(f"The log of PostgreSQL has {(folder / 'postgres' / 'server.log').stat().st_size} bytes.")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
