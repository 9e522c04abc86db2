"""`python -m torture.single`, run by `make torture`: sell on one machine, break it again and again, and check the tables.

The faults of the disks need root on Linux, because they mount small disks. Those of the clock need a C compiler.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from torture.files import keep_files
from torture.namespaces import enter_namespaces, is_inside
from torture.single import ROOT
from torture.single.faults import KINDS as FAULT_KINDS
from torture.single.faults import TWO_AT_ONCE
from torture.single.place import KINDS, Needs, missing_kinds
from torture.single.report import report
from torture.single.run import READY_SECONDS_MAX, Plan, Result, run, say

KEPT = ROOT / "reports" / "torture"
_LOGS = ("*.log", "journal", "data/server.log", "data/postgres/server.log")


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m torture.single", description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000_000, help="number of requests, in all")
    parser.add_argument("--faults", type=int, default=200, help="number of faults, in all")
    parser.add_argument("--seed", type=int, default=1, help="the same seed chooses the same faults")
    parser.add_argument("--minutes", type=float, default=240, help="end after so many minutes")
    parser.add_argument("--postgres", choices=KINDS, action="append", help="only this kind; can be repeated")
    parser.add_argument(
        "--only",
        choices=[*(kind.fault.name for kind in FAULT_KINDS), TWO_AT_ONCE],
        action="append",
        help="only this fault; can be repeated",
    )
    parser.add_argument(
        "--ready-seconds", type=float, default=READY_SECONDS_MAX, help="promise after a fault"
    )
    parser.add_argument("--report", type=Path, help="write the report into this file")
    return parser.parse_args()


def main() -> int:
    """Return 0, or 1 if something was lost, done twice or late."""
    options = read_options()
    needs = Needs.of_this_machine()
    if needs.disks and not is_inside():
        enter_namespaces("torture.single")
    _say_what_is_missing(needs)
    kinds = [kind for kind in options.postgres or KINDS if kind not in missing_kinds()]
    if not kinds:
        sys.exit("There is no PostgreSQL of this kind. On Debian, make torture installs it.")
    plan = Plan(
        options.requests // len(kinds),
        options.faults // len(kinds),
        options.seed,
        options.minutes / len(kinds),
        tuple(options.only or ()),
        options.ready_seconds,
    )
    results = [_run_in_folder(kind, plan, needs) for kind in kinds]
    text = report(results, plan)
    if options.report is not None:
        options.report.write_text(text)
    for result in results:
        print(result.text())
    return int(any(result.discrepancies for result in results))


def _say_what_is_missing(needs: Needs) -> None:
    if not needs.disks:
        say("without faults of the disks: they need root on Linux")
    if not needs.clock:
        say("without faults of the clock: they need a C compiler")
    for kind in missing_kinds():
        say(f"without the {kind} PostgreSQL: Debian's package postgresql-15 is not installed")


def _run_in_folder(kind: str, plan: Plan, needs: Needs) -> Result:
    # Not pytest's or the caller's: PostgreSQL's account must be able to pass.
    with tempfile.TemporaryDirectory(prefix="premade-torture-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        try:
            return run(kind, folder, plan, needs)
        finally:
            keep_files(folder, KEPT / kind, *_LOGS)


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main())
