"""The short forms of `make torture`: nothing is lost or done twice while one machine breaks."""

import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from torture.single import ROOT
from torture.single.faults import KINDS, two_at_once
from torture.single.place import Needs
from torture.single.report import report
from torture.single.run import Plan, run

FEW = ("kill worker", "kill backend", "lock rows")
REQUESTS = 400
SECONDS_MAX = 90
"""Other tests run meanwhile, so the promised 10 s are not measured here."""


def test_a_few_faults_lose_nothing(home: Path) -> None:
    plan = Plan(REQUESTS, len(FEW), seed=3, minutes_max=4, only=FEW, ready_seconds_max=SECONDS_MAX)
    result = run("embedded", home, plan, Needs(disks=False, clock=False))
    assert result.discrepancies == []
    assert result.requests.total() >= REQUESTS
    assert sorted(each.name for each in result.rounds) == sorted(FEW)
    assert result.statuses["lost"] > 0, "no fault broke anything"
    assert "Nothing was lost" in report([result], plan)
    assert "1 discrepancy" in report([replace(result, discrepancies=["a sale is missing"])], plan)


def test_two_faults_at_once_break_different_parts() -> None:
    part_of = {kind.fault.name: kind.part for kind in KINDS}
    for seed in range(200):
        first, second = two_at_once(KINDS, random.Random(seed)).description.split(" and ")
        assert part_of[first] != part_of[second]


@pytest.mark.nightly
def test_every_kind_of_fault_on_both_servers_loses_nothing() -> None:
    command = [sys.executable, "-m", "torture.single", "--requests", "20000", "--faults", str(2 * 39)]
    done = subprocess.run(
        [*command, "--ready-seconds", str(SECONDS_MAX)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": "tests"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
