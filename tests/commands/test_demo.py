"""`premade demo`: one command from nothing to a first sale."""

import json
import os
import pty
import re
import shlex
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest
import zxingcpp
from support.service import environment_for

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
def running_demo(command: list[str], data_dir: Path, **environment: str) -> Generator[Demo]:
    """A demo on a terminal of 80 columns, ended by SIGTERM."""
    port = free_port()
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*command, "demo", "--port", port],
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        env={**environment_for(None, data_dir), "COLUMNS": "80", "TERM": "xterm-256color", **environment},
        cwd=data_dir.parent,
    )
    os.close(theirs)
    try:
        yield Demo(process, read_until_ready(ours), f"http://127.0.0.1:{port}")
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(40)
        os.close(ours)


def read_until_ready(terminal: int) -> str:
    text = b""
    deadline = time.monotonic() + READY_SECONDS_MAX
    while READY.encode() not in text:
        assert time.monotonic() < deadline, text.decode()
        text += os.read(terminal, 65536)
    return text.decode().replace("\r\n", "\n")


def qr_in(output: str) -> str:
    """What a reader makes of the QR code that is drawn in a terminal."""
    rows: list[list[int]] = []
    for line in ESCAPES.sub("", output).splitlines():
        if len(line) == 49 and set(line) <= set(BLOCKS):
            rows += [[BLOCKS[character][half] for character in line] for half in (0, 1)]
    picture = np.kron(np.array(rows, dtype=np.uint8) * 255, np.ones((4, 4), dtype=np.uint8))
    [found] = zxingcpp.read_barcodes(picture)
    return found.text


def send(line: str) -> httpx.Response:
    """A line of curl, as a shell would split it."""
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
    return httpx.request(
        "GET" if body is None else "POST", url, content=body, headers=headers, trust_env=False
    )


def tickets(demo: Demo, key: str) -> int:
    items = httpx.get(f"{demo.url}/api/ota/inventory", headers={"X-API-Key": key}, trust_env=False).json()[
        "items"
    ]
    return sum(item["issued"] for item in items)


@pytest.mark.parametrize("colour", [{}, {"NO_COLOR": "1"}], ids=["colour", "plain"])
def test_the_demo_sells_a_ticket_and_finds_its_data_again(tmp_path: Path, colour: dict[str, str]) -> None:
    command = [sys.executable, "-m", "premade.cli"]
    data_dir = tmp_path / "a folder" / "data"
    data_dir.parent.mkdir()

    with running_demo(command, data_dir, **colour) as demo:
        kept = json.loads((data_dir / "demo.json").read_text())
        assert stat.S_IMODE((data_dir / "demo.json").stat().st_mode) == 0o600
        assert '"total_generated": 5' in ESCAPES.sub("", demo.output)
        assert '"status": "ACTIVE"' in ESCAPES.sub("", demo.output)
        token = qr_in(demo.output)
        assert token.startswith("PM1:CRUISE-")
        lines = demo.curl_lines()
        assert len(lines) >= 4
        assert all(kept["key"] in line and "\x1b" not in line for line in lines)
        assert {send(line).status_code for line in lines} == {200}
        assert tickets(demo, kept["key"]) == 5
        stock = httpx.get(
            f"{demo.url}/api/ota/inventory", headers={"X-API-Key": kept["key"]}, trust_env=False
        ).json()["items"]
        assert [(item["product_id"], item["name"], item["price"], item["allotted"]) for item in stock] == [
            (106, "Harbour Cruise Premium", "288.00", 2000),
            (107, "Harbour Cruise Standard", "188.00", 1500),
            (108, "Harbour Cruise Deluxe", "788.00", 1500),
        ]
        pid = demo.process

    assert pid.returncode == 0
    with running_demo(command, data_dir, **colour) as again:
        assert json.loads((data_dir / "demo.json").read_text()) == kept
        assert tickets(again, kept["key"]) == 5
        assert qr_in(again.output) == token
        assert max(len(ESCAPES.sub("", line)) for line in again.output.splitlines() if "─" in line) <= 80


def test_ctrl_c_ends_the_demo_and_its_database(tmp_path: Path) -> None:
    from commands.test_embedded_together import wait_until_stopped

    data_dir = tmp_path / "data"
    with running_demo([sys.executable, "-m", "premade.cli"], data_dir) as demo:
        demo.process.send_signal(signal.SIGINT)
        assert demo.process.wait(30) == 0
    wait_until_stopped(data_dir)
