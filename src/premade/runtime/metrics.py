"""Metrics of a worker. Workers share them through files (prometheus_client's multiprocess mode)."""

from functools import cache

from prometheus_client import Counter, Histogram

_SECONDS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_DATABASE_BUCKETS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5)
_KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

REQUEST_SECONDS = Histogram(
    "premade_http_request_duration_seconds",
    "Time from the start of a request to the end of its response, by route.",
    ["method", "route"],
    buckets=_SECONDS_BUCKETS,
)
REQUESTS = Counter(
    "premade_http_requests_total", "Responses, by route and status.", ["method", "route", "status"]
)
REFUSALS = Counter("premade_refusals_total", "Refused requests, by the code of the problem.", ["code"])
GATE_COUNTED = Counter(
    "premade_gate_counted_total",
    "Forged, unknown, unreadable and late scans of uploads, and wrong digits of manual entries, by code.",
    ["code"],
)
READS = Counter(
    "premade_reads_total",
    "Lists, reports, exports and snapshots read with a replica in use, by the server that answered.",
    ["server"],
)
DATABASE_SECONDS = Histogram(
    "premade_database_statement_duration_seconds",
    "Duration of a database statement, including the round trip.",
    ["statement"],
    buckets=_DATABASE_BUCKETS,
)


@cache
def _of_route(method: str, route: str, status: int) -> tuple[Histogram, Counter]:
    return REQUEST_SECONDS.labels(method, route), REQUESTS.labels(method, route, str(status))


@cache
def seconds_of(statement: str) -> Histogram:
    """Return the histogram of a statement's durations."""
    return DATABASE_SECONDS.labels(statement)


def observe_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count one answered request."""
    # A client may invent methods; each would be a new series.
    durations, answers = _of_route(method if method in _KNOWN_METHODS else "other", route, status)
    durations.observe(seconds)
    answers.inc()
