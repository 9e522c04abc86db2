"""`premade demo`: one command from nothing to a first sale."""

import json
import os
import pty
import re
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import psycopg
import pytest
import zxingcpp
from commands.test_embedded_together import wait_until_stopped
from support.plain_http import NO_TLS
from support.service import environment_for
from support.terminal import read_until

from premade.postgres.embedded import embedded_postgres

COMMAND = [sys.executable, "-m", "premade"]
READY = "Ctrl-C ends it and its database."
READY_SECONDS_MAX = 60
BLOCKS = {"█": (1, 1), "▀": (1, 0), "▄": (0, 1), " ": (0, 0)}
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass
class Demo:
    process: subprocess.Popen[bytes]
    output: str
    url: str

    def curl_lines(self) -> list[str]:
        return [line for line in self.output.splitlines() if line.startswith("curl ")]


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@contextmanager
def running_demo(
    command: list[str],
    data_dir: Path,
    *,
    terminal: bool = True,
    options: tuple[str, ...] = (),
    **environment: str,
) -> Generator[Demo]:
    """A demo on a terminal of 80 columns, or into a pipe, ended by SIGTERM."""
    port = free_port()
    ours, theirs = pty.openpty() if terminal else os.pipe()
    errors = data_dir.parent / "stderr"
    with errors.open("w") as errors_file:
        process = subprocess.Popen(
            [*command, "demo", "--port", port, *options],
            stdout=theirs,
            stderr=errors_file,
            stdin=subprocess.DEVNULL,
            env={**environment_for(None, data_dir), "COLUMNS": "80", "TERM": "xterm-256color", **environment},
            cwd=data_dir.parent,
        )
    os.close(theirs)
    try:
        yield Demo(process, read_until_ready(ours, errors), f"http://127.0.0.1:{port}")
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(40)
        os.close(ours)


def read_until_ready(terminal: int, errors: Path) -> str:
    text = read_until(terminal, re.escape(READY))
    assert READY in text, f"the demo ended: {text}{errors.read_text()}"
    return text.replace("\r\n", "\n")


def qr_in(output: str) -> str:
    """What a reader makes of the QR code that is drawn in a terminal."""
    rows: list[list[int]] = []
    for line in ESCAPES.sub("", output).splitlines():
        if len(line) == 49 and set(line) <= set(BLOCKS):
            rows += [[BLOCKS[character][half] for character in line] for half in (0, 1)]
    picture = np.kron(np.array(rows, dtype=np.uint8) * 255, np.ones((4, 4), dtype=np.uint8))
    # Of QR codes only: by chance a part of one looks like a bar code.
    [found] = zxingcpp.read_barcodes(
        picture, formats=zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode])
    )
    return found.text


def pasted(line: str) -> dict[str, Any]:
    """What a line of curl answers in a shell; where there is no curl, what a client answers that reads it."""
    if shutil.which("curl"):
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True, timeout=30)
        return json.loads(done.stdout)
    words = iter(shlex.split(line)[1:])
    headers: dict[str, str] = {}
    body, url = None, ""
    for word in words:
        if word == "-H":
            name, _, value = next(words).partition(": ")
            headers[name] = value
        elif word == "-d":
            body = next(words)
        elif word != "-s":
            url = word
    method = "GET" if body is None else "POST"
    return httpx.request(method, url, content=body, headers=headers, trust_env=False, verify=NO_TLS).json()


COUNTS = """
    SELECT 'products', count(*) FROM products
    UNION ALL SELECT 'partners', count(*) FROM partners WHERE {0}
    UNION ALL SELECT 'api_keys', count(*) FROM api_keys JOIN partners USING (partner_id) WHERE {0}
    UNION ALL SELECT 'batches', count(*) FROM batches JOIN partners USING (partner_id) WHERE {0}
    UNION ALL SELECT 'pre_generated_tickets', count(*) FROM pre_generated_tickets JOIN partners USING (partner_id) WHERE {0}
    UNION ALL SELECT 'ota_orders', count(*) FROM ota_orders JOIN partners USING (partner_id) WHERE {0}
"""


def made(data_dir: Path, whose: str = "NOT partners.is_test") -> dict[str, int]:
    """How much of everything the database holds, of live partners unless told."""
    with embedded_postgres(data_dir / "postgres") as dsn, psycopg.connect(dsn) as connection:
        return dict(connection.execute(COUNTS.format(whose).encode()).fetchall())


def signs_in(demo: Demo) -> bool:
    """Whether the name and password that the demo prints open the console that it prints."""
    shown = ESCAPES.sub("", demo.output).splitlines()
    assert f"{demo.url}/console" in shown
    told = dict(re.findall(r"^(name|password) +(\S+)$", "\n".join(shown), re.MULTILINE))
    with httpx.Client(base_url=demo.url, trust_env=False, verify=NO_TLS) as client:
        here = {"Sec-Fetch-Site": "same-origin"}
        assert client.post("/console/sign-in", data=told, headers=here).headers["location"] == "/console"
        overview = client.get("/console")
    return overview.status_code == 200 and "Staff" in overview.text and "Demo Test OTA" in overview.text


ONE_DEMO = {
    "products": 3,
    "partners": 1,
    "api_keys": 1,
    "batches": 1,
    "pre_generated_tickets": 5,
    "ota_orders": 1,
}
CATALOGUE = [
    (106, "Harbour Cruise Premium", "288.00", "HKD", 2000, 5),
    (107, "Harbour Cruise Standard", "188.00", "HKD", 1500, 0),
    (108, "Harbour Cruise Deluxe", "788.00", "HKD", 1500, 0),
]
FUNCTIONS = {
    106: {"ferry": 2, "gift": 1, "tokens": 10},
    107: {"ferry": 2, "gift": 1},
    108: {"ferry": 2, "tea_set": 1, "tokens": 20},
}


def assert_sells(demo: Demo, data_dir: Path, *, terminal: bool, days: int = 90) -> str:
    """Check what a first demo prints and does; return the token of its ticket."""
    assert stat.S_IMODE((data_dir / "demo.json").stat().st_mode) == 0o600
    assert ("\x1b" in demo.output) is terminal
    shown = ESCAPES.sub("", demo.output)
    assert '"total_generated": 5' in shown
    assert '"status": "ACTIVE"' in shown
    token = qr_in(demo.output)
    assert re.fullmatch(r"PM1:CRUISE-\d{4}-FERRY-\d{13}:1:K\d+:.+", token)
    assert token.split(":")[1] in shown
    assert made(data_dir) == ONE_DEMO
    assert f"Inventing {days} days of sales" in shown
    assert made(data_dir, "partners.is_test")["ota_orders"] > days * 45
    assert signs_in(demo)
    return token


def folder_with_a_blank(home: Path) -> Path:
    data_dir = home / "a folder" / "data"
    data_dir.parent.mkdir()
    return data_dir


def test_the_demo_sells_a_ticket(home: Path) -> None:
    data_dir = folder_with_a_blank(home)

    with running_demo(COMMAND, data_dir, options=("--history-days", "7")) as demo:
        assert_sells(demo, data_dir, terminal=True, days=7)

    assert demo.process.returncode == 0
    wait_until_stopped(data_dir)


@pytest.mark.nightly
@pytest.mark.parametrize("terminal", [True, False], ids=["on a terminal", "into a pipe"])
def test_the_demo_finds_its_data_again(home: Path, *, terminal: bool) -> None:
    data_dir = folder_with_a_blank(home)

    with running_demo(COMMAND, data_dir, terminal=terminal) as demo:
        kept = json.loads((data_dir / "demo.json").read_text())
        token = assert_sells(demo, data_dir, terminal=terminal)
        history = made(data_dir, "partners.is_test")

    with running_demo(COMMAND, data_dir, terminal=terminal) as again:
        assert json.loads((data_dir / "demo.json").read_text()) == kept
        assert made(data_dir) == ONE_DEMO
        assert qr_in(again.output) == token
        assert max(len(ESCAPES.sub("", line)) for line in again.output.splitlines() if "─" in line) <= 80
        lines = again.curl_lines()
        assert len(lines) >= 6
        assert all((kept["key"] in line or kept["test_key"] in line) and "\x1b" not in line for line in lines)
        answers = [pasted(line) for line in lines]
        # A refusal would have a code.
        assert [answer for answer in answers if "code" in answer] == []
        assert made(data_dir) == {**ONE_DEMO, "ota_orders": 2}
        assert made(data_dir, "partners.is_test") == history
        assert signs_in(again)
    wait_until_stopped(data_dir)


@pytest.mark.nightly
def test_the_demo_s_catalogue_and_partner_are_as_told(home: Path) -> None:
    data_dir = home / "data"
    with running_demo(COMMAND, data_dir) as demo:
        key = json.loads((data_dir / "demo.json").read_text())["key"]
        stock = httpx.get(
            f"{demo.url}/api/ota/inventory", headers={"X-API-Key": key}, trust_env=False, verify=NO_TLS
        ).json()
        with embedded_postgres(data_dir / "postgres") as dsn, psycopg.connect(dsn) as connection:
            partners = connection.execute("SELECT channel, is_test FROM partners ORDER BY is_test").fetchall()
            functions = connection.execute("SELECT product_id, function_code, uses FROM product_functions")
            uses: dict[int, dict[str, int]] = {}
            for product_id, function, count in functions:
                uses.setdefault(product_id, {})[function] = count

    assert key.startswith("pm_live_")
    assert partners == [("ota", False), ("test-demo-test-ota", True)]
    assert uses == FUNCTIONS
    fields = ("product_id", "name", "price", "currency", "allotted", "issued")
    assert [tuple(item[field] for field in fields) for item in stock["items"]] == CATALOGUE


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.nightly
def test_a_signal_ends_the_demo_with_all_its_processes(home: Path, number: int) -> None:
    data_dir = home / "data"
    with running_demo(COMMAND, data_dir, NO_COLOR="1") as demo:
        assert qr_in(demo.output)
        family = psutil.Process(demo.process.pid).children(recursive=True)
        demo.process.send_signal(number)
        assert demo.process.wait(30) == 0
    # Python's own helper of the workers leaves when it notices that they have.
    _, left = psutil.wait_procs(family, timeout=10)
    assert [child for child in left if child.status() != psutil.STATUS_ZOMBIE] == []
    wait_until_stopped(data_dir)
