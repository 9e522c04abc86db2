"""Several commands use one embedded database; the last to leave stops it."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest
from support.plain_http import NO_TLS
from support.service import environment_for, running_service

STOP_SECONDS_MAX = 20


def servers_of(data_dir: Path) -> list[psutil.Process]:
    found: list[psutil.Process] = []
    for process in psutil.process_iter(["cmdline", "status"]):
        line = " ".join(process.info["cmdline"] or [])
        if str(data_dir) in line and "postgres" in line and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def command(data_dir: Path, *arguments: str) -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "premade", *arguments, "--json"],
        env=environment_for(None, data_dir),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return json.loads(done.stdout)


def wait_until_stopped(data_dir: Path) -> None:
    deadline = time.monotonic() + STOP_SECONDS_MAX
    while servers_of(data_dir):
        assert time.monotonic() < deadline, "PostgreSQL runs on"


@pytest.mark.nightly
def test_a_command_beside_a_running_service_uses_its_database(home: Path) -> None:
    data_dir = home / "data"
    with running_service(environment_for(None, data_dir), home / "log", workers=1) as service:
        command(data_dir, "partner", "add", "Beside")
        made = command(data_dir, "key", "create", "--partner", "Beside", "--permission", "inventory:read")
        answer = httpx.get(
            f"{service.url}/api/ota/inventory",
            headers={"X-API-Key": made["key"]},
            trust_env=False,
            verify=NO_TLS,
        )
        assert answer.status_code == 200
        assert servers_of(data_dir)
    wait_until_stopped(data_dir)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.nightly
def test_the_database_survives_the_end_of_the_service_however_it_ends(home: Path, number: int) -> None:
    data_dir = home / "data"
    with running_service(environment_for(None, data_dir), home / "log", workers=1) as service:
        command(data_dir, "partner", "add", "Kept")
        service.process.send_signal(number)
        service.process.wait(STOP_SECONDS_MAX)

    partners = command(data_dir, "partner", "list")

    assert [partner["name"] for partner in partners] == ["Kept"]  # type: ignore[index]
    wait_until_stopped(data_dir)
