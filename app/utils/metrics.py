"""Prometheus figures of this process; all names start with ``anisync_``."""

from prometheus_client import Counter, Gauge, Histogram

REQUESTS = Counter("anisync_requests_total", "Requests answered.", ["method", "endpoint", "status"])
REQUEST_SECONDS = Histogram(
    "anisync_request_duration_seconds", "Time to answer a request.", ["method", "endpoint"]
)


def observe_request(method: str, endpoint: str, status: int, seconds: float) -> None:
    """Count one answer; ``endpoint`` is the route template, ``seconds`` the wall time."""
    REQUESTS.labels(method, endpoint, str(status)).inc()
    REQUEST_SECONDS.labels(method, endpoint).observe(seconds)


UPSTREAM_CALLS = Counter("anisync_upstream_calls_total", "Calls to an upstream.", ["upstream", "outcome"])
UPSTREAM_REFUSALS = Counter(
    "anisync_upstream_refusals_total",
    "Calls that were not made: breaker, ban, limit.",
    ["upstream", "reason"],
)
UPSTREAM_SECONDS = Histogram("anisync_upstream_seconds", "Time of one call to an upstream.", ["upstream"])
UPSTREAM_WAIT_SECONDS = Histogram(
    "anisync_upstream_wait_seconds", "Time that a call waited for its slot.", ["upstream", "caller"]
)
UPSTREAM_BREAKER_OPEN = Gauge(
    "anisync_upstream_breaker_open",
    "1 while an upstream is left alone.",
    ["upstream"],
    multiprocess_mode="livemax",
)
UPSTREAM_ITEMS_SKIPPED = Counter(
    "anisync_upstream_items_skipped_total", "Items of a list that could not be understood.", ["upstream"]
)
