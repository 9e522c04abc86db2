"""Clients that behave as the documentation asks: an Idempotency-Key for each write, and a retry after a lost response."""

import asyncio
import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import httpx
import orjson

from torture.journal import Journal, Request, Response
from torture.knowledge import Knowledge
from torture.operations import OPERATIONS, choose, new_key

ANSWER_SECONDS_MAX = 20.0
"""Longer than the service's own limits for a request, so that the service has the last word."""
RETRY_SECONDS = 1.0
"""Pause before a retry, if the response names none."""
IMPATIENT_SHARE = 0.05
"""Share of requests that the client gives up at the first lost response, to see that nothing half done stays."""
PATIENCE_SECONDS = 180.0


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
    ) -> None:
        """`retry_seconds_max`: shorter than Retry-After for a client that measures when the service is back."""
        self._urls = urls
        self._account = account
        self._journal = journal
        self._choice = random.Random(seed)
        self._retry_seconds_max = retry_seconds_max
        self._http = httpx.AsyncClient(
            headers={"X-API-Key": account.api_key}, timeout=ANSWER_SECONDS_MAX, trust_env=False
        )

    async def __aenter__(self) -> Self:
        """Open the connections."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self._http.aclose()

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

    async def complete(
        self, request: Request, patience_seconds: float, stop: asyncio.Event | None = None
    ) -> Response | None:
        """Send the request until a response is decisive. Return that response, or None after `patience_seconds`."""
        deadline = time.monotonic() + patience_seconds
        while True:
            response, pause_seconds = await self._attempt(request)
            if response.is_success:
                assert response.body is not None
                OPERATIONS[request.kind].learn(self._account.known, request, response.body)
            if response.is_decisive:
                return response
            if time.monotonic() > deadline or (stop is not None and stop.is_set()):
                return None
            await asyncio.sleep(min(pause_seconds, self._retry_seconds_max))

    async def _attempt(self, request: Request) -> tuple[Response, float]:
        """Send the request once. Return the response and the pause before a retry, in seconds."""
        url = self._choice.choice(self._urls) + request.path
        began_at = time.time()
        status, body, is_replay, pause_seconds = None, None, False, RETRY_SECONDS
        try:
            answer = await self._http.request(
                request.method, url, json=request.body, headers={"Idempotency-Key": request.key}
            )
            status, body, via = (
                answer.status_code,
                _readable(answer.content),
                answer.headers.get("X-Request-Id", ""),
            )
            is_replay = answer.headers.get("Idempotency-Replayed") == "true"
            pause_seconds = float(answer.headers.get("Retry-After", RETRY_SECONDS))
        except httpx.TransportError as error:
            via = type(error).__name__
        response = Response(request.number, status, body, is_replay, began_at, time.time(), via)
        self._journal.response(response)
        return response, pause_seconds


def _readable(content: bytes) -> dict[str, Any]:
    """Return the JSON of a response without the pictures of QR codes, which a token says in a tenth of the bytes."""
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError:
        return {"unreadable": content[:200].decode(errors="replace")}
    for each in [document, *document.get("tickets", [])]:
        each.pop("qr_code", None)
    return document
