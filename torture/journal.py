"""The journal: each request before it is sent, and each response, as lines of JSON in a file."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

SERVER_ERROR = 500
UNAVAILABLE = 503
TOO_MANY = 429
UNREADABLE = "unreadable"
"""The only member of the body of a response that has another form than it should."""
_NOT_DECISIVE = frozenset({UNAVAILABLE, TOO_MANY})


@dataclass(frozen=True, slots=True)
class Request:
    """A request. A client sends it again, with the same key, until it gets a decisive response or gives up."""

    number: int
    kind: str
    partner_id: int
    method: str
    path: str
    key: str
    """Idempotency-Key; at the gate the `scan_id`, or the beginning of several."""
    body: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Response:
    """The response to one attempt, or its loss."""

    number: int
    """Of the request."""
    status: int | None
    """None: the connection broke, or there was no response in time."""
    body: dict[str, Any] | None
    """Without pictures; of a read only what the checker compares. None for a lost response."""
    is_replay: bool
    began_at: float
    """Unix time, in seconds, when the attempt was sent."""
    ended_at: float
    via: str = ""
    """Value of the header X-Request-Id, to find the attempt in the service's log; or the error of the connection."""

    @property
    def is_decisive(self) -> bool:
        """Return whether the client knows the result. After a loss, 429 and 5xx it does not."""
        return self.status is not None and self.status < SERVER_ERROR and self.status not in _NOT_DECISIVE

    @property
    def is_success(self) -> bool:
        """Return whether the request was executed, now or earlier."""
        return self.status is not None and self.status // 100 == 2 and self.is_readable  # noqa: PLR2004

    @property
    def is_readable(self) -> bool:
        """Return whether the response has its documented form."""
        return self.body is None or UNREADABLE not in self.body


@dataclass(slots=True)
class Exchange:
    """A request with the responses to all its attempts."""

    request: Request
    responses: list[Response] = field(default_factory=list[Response])

    @property
    def decisive(self) -> Response | None:
        """Return the first response that says what happened, or None: then the client does not know."""
        return next((response for response in self.responses if response.is_decisive), None)

    @property
    def success(self) -> Response | None:
        """Return the first 2xx, or None."""
        return next((response for response in self.responses if response.is_success), None)


class Journal:
    """Write requests and responses to a file. Each line is in the file before the next step is taken."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("ab", buffering=0)
        self.requests = 0
        self.successes = 0
        self.answered_began_at = 0.0
        """Unix time when the latest attempt began that was answered with a success."""
        self.answered_at = 0.0
        """Unix time of the latest success."""
        self.gap_seconds_max = 0.0
        """The longest time between two successes. Set it to 0 to begin again."""

    def request(
        self, kind: str, partner_id: int, method: str, path: str, key: str, body: dict[str, Any] | None
    ) -> Request:
        """Write a request before it is sent for the first time. Return it with its number."""
        self.requests += 1
        request = Request(self.requests, kind, partner_id, method, path, key, body)
        self._write({"request": request})
        return request

    def response(self, response: Response) -> None:
        """Write the response to an attempt."""
        if response.is_success:
            self.successes += 1
            self.answered_began_at = max(self.answered_began_at, response.began_at)
            self.gap_seconds_max = max(self.gap_seconds_max, response.ended_at - self.answered_at)
            self.answered_at = response.ended_at
        self._write({"response": response})

    def _write(self, entry: dict[str, Request | Response]) -> None:
        self._file.write(orjson.dumps(entry, option=orjson.OPT_APPEND_NEWLINE))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_journal(path: Path) -> list[Exchange]:
    """Return the exchanges of a journal, in the order of their first attempts."""
    exchanges: dict[int, Exchange] = {}
    with path.open("rb") as lines:
        for line in lines:
            entry = orjson.loads(line)
            if "request" in entry:
                request = Request(**entry["request"])
                exchanges[request.number] = Exchange(request)
            else:
                response = Response(**entry["response"])
                exchanges[response.number].responses.append(response)
    return list(exchanges.values())
