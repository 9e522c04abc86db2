"""Load on a service: several clients that generate batches and sell the tickets, until a response is no success."""

import itertools
import threading
import time
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from support.plain_http import NO_TLS
from support.processes import wait_until
from support.shop import sale

CLIENTS = 6
TICKETS = 100
"""In a batch: each client generates one and sells it, over and over."""
SALES_IN_A_STEP = 150


@dataclass
class Load:
    """Clients that generate and activate. The first response that is no success ends the load.

    `sold`: the ticket codes. `slowest_seconds`: the longest wait for a response since it was last set to 0.
    """

    url: str
    key: str
    product_id: int
    failures: list[Exception] = field(default_factory=list[Exception])
    slowest_seconds: float = 0
    sold: list[str] = field(default_factory=list[str])
    stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self) -> Generator[None]:
        with ThreadPoolExecutor(CLIENTS) as pool:
            running: list[Future[None]] = [pool.submit(self._client, number) for number in range(CLIENTS)]
            try:
                yield
            finally:
                self.stop.set()
            for each in running:
                each.result()

    def _client(self, number: int) -> None:
        with httpx.Client(
            base_url=self.url, headers={"X-API-Key": self.key}, timeout=60, trust_env=False, verify=NO_TLS
        ) as http:
            for turn in itertools.count():
                batch = {"product_id": self.product_id, "quantity": TICKETS, "batch_id": f"B{number}-{turn}"}
                for ticket in self._send(http, "/api/ota/tickets/bulk-generate", batch)["tickets"]:
                    if self.stop.is_set():
                        return
                    code = ticket["ticket_code"]
                    self._send(http, f"/api/ota/tickets/{code}/activate", sale())
                    self.sold.append(code)

    def _send(self, http: httpx.Client, path: str, body: object) -> dict[str, Any]:
        """Send a request, once."""
        began = time.monotonic()
        try:
            answer = http.post(path, json=body)
            assert answer.is_success, f"{path} was answered with {answer.status_code}: {answer.text}"
        except Exception as error:
            self.failures.append(error)
            self.stop.set()
            raise
        self.slowest_seconds = max(self.slowest_seconds, time.monotonic() - began)
        return answer.json()

    def goes_on(self) -> None:
        """Wait until many more tickets are sold, so that each step of an upgrade happens under load."""
        before = len(self.sold)
        wait_until(
            lambda: len(self.sold) >= before + SALES_IN_A_STEP or self.stop.is_set(), "nothing is sold"
        )
        assert not self.failures
