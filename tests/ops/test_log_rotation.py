"""The log of a running service, written to a file and rotated by Debian's logrotate with the file of ops/logrotate."""

import gzip
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from support.plain_http import NO_TLS
from support.processes import wait_until
from support.service import environment_for, read_json_document

ROOT = Path(__file__).parents[2]
CONFIGURATION = ROOT / "ops" / "logrotate" / "premade"
INSTALL = [sys.executable, ROOT / "tests" / "install_tools.py", "logrotate"]
STOP_SECONDS_MAX = 40


@pytest.fixture(scope="module")
def logrotate() -> str:
    subprocess.run(INSTALL, check=True)
    return shutil.which("logrotate", path=f"{os.environ['PATH']}:/usr/sbin") or "logrotate"


@pytest.fixture
def log(dsn: str, tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """The log of a service that appends to it, and the URL of the service."""
    path = tmp_path / "premade.log"
    with path.open("ab") as appended:
        process = subprocess.Popen(
            [sys.executable, "-m", "premade", "serve", "--port", "0", "--metrics-port", "0", "--json"],
            stdout=subprocess.PIPE,
            stderr=appended,
            text=True,
            env=environment_for(dsn),
        )
    assert process.stdout is not None
    try:
        yield path, read_json_document(process.stdout)["url"]
    finally:
        process.terminate()
        process.wait(STOP_SECONDS_MAX)
        process.stdout.close()


def request(url: str, request_id: str) -> None:
    httpx.get(f"{url}/api/ota/products", headers={"X-Request-Id": request_id}, trust_env=False, verify=NO_TLS)


def ids_in(text: bytes) -> list[str]:
    """The ids of the requests in a log; each of its lines must be whole."""
    return [
        request_id
        for line in text.splitlines()
        if (request_id := json.loads(line).get("request_id", "")).startswith("n")
    ]


@pytest.mark.nightly
def test_the_log_is_rotated_while_the_service_writes(
    logrotate: str, log: tuple[Path, str], tmp_path: Path
) -> None:
    path, url = log
    configuration = tmp_path / "premade"
    configuration.write_text(CONFIGURATION.read_text().replace("/var/log/premade/premade.log", str(path)))
    # logrotate refuses a file that others may change.
    configuration.chmod(0o644)
    tmp_path.chmod(0o755)

    for turn in range(3):
        request(url, f"n{turn}")
        wait_until(lambda turn=turn: f'"n{turn}"'.encode() in path.read_bytes(), "the line is not there")
        subprocess.run(
            [logrotate, "--force", "--state", tmp_path / "state", configuration],
            check=True,
            capture_output=True,
        )
    request(url, "n3")
    wait_until(lambda: b'"n3"' in path.read_bytes(), "the service writes to no file after the rotation")

    # The file begins with a line, not with a hole as long as the old one.
    assert ids_in(path.read_bytes()) == ["n3"]
    assert ids_in((tmp_path / "premade.log.1").read_bytes()) == ["n2"]
    assert ids_in(gzip.decompress((tmp_path / "premade.log.2.gz").read_bytes())) == ["n1"]
    assert ids_in(gzip.decompress((tmp_path / "premade.log.3.gz").read_bytes())) == ["n0"]
