"""The service as it is run: `premade serve`, in processes of its own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

STOP_SECONDS_MAX = 40
MASTER_KEY = "PREMADE_MASTER_KEY"
TEST_MASTER_KEY = "dGhlIG1hc3RlciBrZXkgb2YgYWxsIHRoZSB0ZXN0cyE="
os.environ.setdefault(MASTER_KEY, TEST_MASTER_KEY)


@dataclass
class Service:
    """A running service."""

    process: subprocess.Popen[str]
    url: str
    metrics_url: str
    log: Path

    def log_lines(self) -> list[dict[str, object]]:
        """Every JSON line that it has written so far."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]


def environment_for(dsn: str | None, data_dir: Path | None = None, **more: str) -> dict[str, str]:
    """The environment of a `premade` process; nothing of the caller's own settings reaches it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREMADE_")}
    kept.pop("DATABASE_URL", None)
    chosen = {} if dsn is None else {"DATABASE_URL": dsn}
    placed = {} if data_dir is None else {"PREMADE_DATA_DIR": str(data_dir)}
    return {**kept, **chosen, **placed, MASTER_KEY: TEST_MASTER_KEY, "PREMADE_LOG_FORMAT": "json", **more}


def read_json_document(stream: IO[str]) -> dict[str, str]:
    """The JSON document that a command prints with --json, however many lines it has."""
    text = ""
    for line in stream:
        text += line
        if line.startswith("}"):
            return json.loads(text)
    message = f"The command ended without an answer: {text!r}"
    raise AssertionError(message)


@contextmanager
def running_service(
    environment: dict[str, str],
    log: Path,
    *,
    workers: int = 2,
    command: tuple[str, ...] = (),
    pass_fds: tuple[int, ...] = (),
    port: int = 0,
) -> Generator[Service]:
    """`premade serve` on this port, or on any that is free, stopped by SIGTERM at the end."""
    program = command or (sys.executable, "-m", "premade")
    with log.open("w") as log_file:
        process = subprocess.Popen(
            [
                *program,
                "serve",
                "--port",
                str(port),
                "--metrics-port",
                "0",
                "--workers",
                str(workers),
                "--json",
            ],
            stdout=subprocess.PIPE,
            stderr=log_file,
            text=True,
            env=environment,
            pass_fds=pass_fds,
        )
        try:
            assert process.stdout is not None
            try:
                told = read_json_document(process.stdout)
            except AssertionError as error:
                raise AssertionError(f"{error}\n{log.read_text()[-3000:]}") from None
            yield Service(process, told["url"], told["metrics_url"], log)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait(STOP_SECONDS_MAX)
            if process.stdout:
                process.stdout.close()
