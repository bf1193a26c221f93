"""Prometheus figures of this process; all names start with ``anisync_``."""

from prometheus_client import Counter, Histogram

REQUESTS = Counter("anisync_requests_total", "Requests answered.", ["method", "endpoint", "status"])
REQUEST_SECONDS = Histogram(
    "anisync_request_duration_seconds", "Time to answer a request.", ["method", "endpoint"]
)


def observe_request(method: str, endpoint: str, status: int, seconds: float) -> None:
    """Count one answer; ``endpoint`` is the route template, ``seconds`` the wall time."""
    REQUESTS.labels(method, endpoint, str(status)).inc()
    REQUEST_SECONDS.labels(method, endpoint).observe(seconds)
