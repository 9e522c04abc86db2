"""The figures of the HTTP layer. Several workers share them through files (multiprocess mode)."""

from prometheus_client import Counter, Histogram

REQUEST_SECONDS = Histogram(
    "premade_http_request_duration_seconds",
    "Time from the first byte of a request to the last of its answer, by route.",
    ["method", "route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
REQUESTS = Counter(
    "premade_http_requests_total", "Answers, by route and status.", ["method", "route", "status"]
)
_KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def observe_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count one answered request."""
    # A client may invent methods; each would be a new series.
    known = method if method in _KNOWN_METHODS else "other"
    REQUEST_SECONDS.labels(known, route).observe(seconds)
    REQUESTS.labels(known, route, str(status)).inc()
