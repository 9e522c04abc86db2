"""Clients that behave as the documentation asks: an Idempotency-Key for each write, and a retry after a lost response."""

import asyncio
import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import orjson

from torture.connection import Answer, Connection, ConnectionLost
from torture.journal import UNREADABLE, Journal, Request, Response
from torture.knowledge import Knowledge
from torture.operations import OPERATIONS, choose, new_key, snapshot_for

ANSWER_SECONDS_MAX = 20.0
"""Longer than the service's own limits for a request, so that the service has the last word."""
RETRY_SECONDS = 1.0
"""Pause before a retry, if the response names none."""
IMPATIENT_SHARE = 0.05
"""Share of requests that the client gives up at the first lost response, to see that nothing half done stays."""
PATIENCE_SECONDS = 180.0
UNREADABLE_BYTES_MAX = 500


@dataclass(frozen=True)
class Account:
    """A partner's keys, and what its clients know."""

    api_key: str
    known: Knowledge


class Client:
    """One client. It sends one request at a time."""

    def __init__(
        self,
        urls: Sequence[str],
        account: Account,
        journal: Journal,
        seed: str,
        retry_seconds_max: float = math.inf,
        answer_seconds_max: float = ANSWER_SECONDS_MAX,
    ) -> None:
        """`retry_seconds_max`: shorter than Retry-After for a client that measures when the service is back."""
        self._account = account
        self._journal = journal
        self._choice = random.Random(seed)
        self._retry_seconds_max = retry_seconds_max
        self._answer_seconds_max = answer_seconds_max
        self._connections = [Connection(url) for url in urls]
        self._headers = (
            f"X-API-Key: {account.api_key}\r\nAccept-Encoding: identity\r\nContent-Type: application/json\r\n"
        )

    async def __aenter__(self) -> Self:
        """Open no connection yet: the first request does."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        for connection in self._connections:
            connection.close()

    async def run(self, stop: asyncio.Event, pause_seconds: float) -> None:
        """Send requests until `stop`, with a pause of this length on average between two of them."""
        while not stop.is_set():
            await self.send_one(stop)
            await asyncio.sleep(self._choice.uniform(0, 2 * pause_seconds))

    async def send_one(
        self, stop: asyncio.Event | None = None, kinds: Sequence[str] = tuple(OPERATIONS)
    ) -> None:
        """Choose a request of these kinds, and complete it. The client gives up when `stop` is set."""
        known, key = self._account.known, new_key(self._choice)
        operation, draft = choose(known, self._choice, key, kinds)
        request = self._journal.request(
            operation.name, known.partner_id, draft.method, draft.path, key, draft.body
        )
        is_impatient = self._choice.random() < IMPATIENT_SHARE
        await self.complete(request, 0 if is_impatient else PATIENCE_SECONDS, stop)

    async def fetch_snapshots(self) -> None:
        """Let each device of the partner fetch the changes since its last snapshot."""
        known = self._account.known
        for device in known.devices:
            draft = snapshot_for(device, device.since)
            request = self._journal.request(
                "snapshot", known.partner_id, draft.method, draft.path, new_key(self._choice), draft.body
            )
            await self.complete(request, PATIENCE_SECONDS)

    async def complete(
        self, request: Request, patience_seconds: float, stop: asyncio.Event | None = None
    ) -> Response | None:
        """Send the request until a response is decisive. Return that response, or None after `patience_seconds`."""
        deadline = time.monotonic() + patience_seconds
        while True:
            response, pause_seconds = await self._attempt(request)
            if response.is_decisive:
                return response
            if time.monotonic() > deadline or (stop is not None and stop.is_set()):
                return None
            await asyncio.sleep(min(pause_seconds, self._retry_seconds_max))

    async def _attempt(self, request: Request) -> tuple[Response, float]:
        """Send the request once. Return the response and the pause before a retry, in seconds."""
        connection = self._choice.choice(self._connections)
        head = (
            f"{request.method} {request.path} HTTP/1.1\r\n{self._headers}Idempotency-Key: {request.key}\r\n"
        )
        content = b"" if request.body is None or request.method == "GET" else orjson.dumps(request.body)
        began_at = time.time()
        try:
            answer = await connection.request(head, content, self._answer_seconds_max)
        except ConnectionLost as error:
            response = Response(
                request.number,
                None,
                None,
                is_replay=False,
                began_at=began_at,
                ended_at=time.time(),
                via=str(error),
            )
            pause_seconds = RETRY_SECONDS
        else:
            ended_at = time.time()
            response = Response(
                request.number,
                answer.status,
                self._read(request, answer),
                is_replay=answer.headers.get("idempotency-replayed") == "true",
                began_at=began_at,
                ended_at=ended_at,
                via=answer.headers.get("x-request-id", ""),
            )
            pause_seconds = float(answer.headers.get("retry-after", RETRY_SECONDS))
        self._journal.response(response)
        return response, pause_seconds

    def _read(self, request: Request, answer: Answer) -> dict[str, Any]:
        """Return what the journal keeps of a response. The partner learns from a success."""
        operation = OPERATIONS[request.kind]
        if answer.status // 100 != 2:  # noqa: PLR2004
            try:
                return orjson.loads(answer.body)
            except orjson.JSONDecodeError:
                return {UNREADABLE: answer.body[:UNREADABLE_BYTES_MAX].decode(errors="replace")}
        try:
            body = operation.condense(bytes(answer.body))
            operation.learn(self._account.known, request, body)
        except (KeyError, ValueError) as error:
            return {UNREADABLE: f"{error!r}: {answer.body[:UNREADABLE_BYTES_MAX].decode(errors='replace')}"}
        return body
