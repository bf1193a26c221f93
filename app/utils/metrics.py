"""Prometheus metrics, all prefixed ``anisync_``; several processes aggregate in a shared folder."""

import os
from collections.abc import Iterable, Iterator
from functools import lru_cache

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client import generate_latest as _as_text
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

REQUESTS = Counter("anisync_requests_total", "HTTP requests handled.", ["method", "endpoint", "status"])
REQUEST_SECONDS = Histogram(
    "anisync_request_duration_seconds", "Duration of an HTTP request in seconds.", ["method", "endpoint"]
)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def observe_request(method: str, endpoint: str, status: int, seconds: float) -> None:
    """Record one response; ``endpoint`` is the route template, ``seconds`` the wall time."""
    # Methods are a closed set: a client must not be able to create time series.
    known = method if method in _METHODS else "other"
    for responses, durations in _request_metrics(known, endpoint, status):
        responses.inc()
        durations.observe(seconds)


@lru_cache(maxsize=4096)
def _request_metrics(method: str, endpoint: str, status: int) -> tuple[tuple[Counter, Histogram], ...]:
    pairs = [(REQUESTS, REQUEST_SECONDS)]
    if endpoint.startswith(_ANILIBRIA):
        pairs.append((ANILIBRIA_REQUESTS, ANILIBRIA_SECONDS))
    return tuple(
        (responses.labels(method, endpoint, str(status)), durations.labels(method, endpoint))
        for responses, durations in pairs
    )


JOB_ATTEMPTS = Counter("anisync_job_attempts_total", "Job attempts by kind and outcome.", ["kind", "outcome"])

POOL_CONNECTIONS = Gauge(
    "anisync_pool_connections", "PostgreSQL connections by state.", ["state"], multiprocess_mode="livesum"
)
POOL_LIMIT = Gauge(
    "anisync_pool_limit", "Maximum number of PostgreSQL connections.", multiprocess_mode="livesum"
)
POOL_WAITING = Gauge(
    "anisync_pool_waiting", "Callers waiting for a PostgreSQL connection.", multiprocess_mode="livesum"
)

AFTER_COMMIT_FAILURES = Counter(
    "anisync_after_commit_failures_total", "After-commit callbacks that raised an exception."
)
BACKGROUND_FAILURES = Counter(
    "anisync_background_failures_total", "Background tasks that raised an exception, by task name.", ["task"]
)

UPSTREAM_CALLS = Counter(
    "anisync_upstream_calls_total", "Upstream calls by outcome.", ["upstream", "outcome"]
)
UPSTREAM_REFUSALS = Counter(
    "anisync_upstream_refusals_total",
    "Upstream calls rejected before they were sent: circuit breaker, ban, rate limit.",
    ["upstream", "reason"],
)
UPSTREAM_SECONDS = Histogram(
    "anisync_upstream_seconds", "Duration of an upstream call in seconds.", ["upstream"]
)
UPSTREAM_WAIT_SECONDS = Histogram(
    "anisync_upstream_wait_seconds",
    "Seconds an upstream call waited for its rate-limit slot.",
    ["upstream", "caller"],
)
UPSTREAM_BREAKER_OPEN = Gauge(
    "anisync_upstream_breaker_open",
    "1 while the circuit breaker of an upstream is open.",
    ["upstream"],
    multiprocess_mode="livemax",
)
UPSTREAM_ITEMS_SKIPPED = Counter(
    "anisync_upstream_items_skipped_total", "List items that could not be mapped.", ["upstream"]
)

SYNC_PUSHES = Counter(
    "anisync_sync_pushes_total", "Entries that were to be told to a service.", ["service", "outcome"]
)

AUTH_EVENTS = Counter(
    "anisync_auth_events_total", "Audit events: sign-ins, failures, token misuse, role changes.", ["event"]
)

CACHE_REQUESTS = Counter(
    "anisync_cache_requests_total",
    "Cache lookups by outcome.",
    ["cache", "outcome"],
)
CACHE_LOOKUPS = Counter(
    "anisync_cache_lookups_total",
    "Looks of a cache into one of its levels.",
    ["cache", "level", "outcome"],
)
cache_lookups = lru_cache(maxsize=256)(CACHE_LOOKUPS.labels)  # looking a child up takes longer than counting

# The names below are those of the AniLibria service that this one replaces: its dashboards keep working.
ANILIBRIA_REQUESTS = Counter(
    "anilibria_requests_total", "Requests to the AniLibria surface.", ["method", "endpoint", "status"]
)
ANILIBRIA_SECONDS = Histogram(
    "anilibria_request_duration_seconds",
    "Time to answer a request to the AniLibria surface.",
    ["method", "endpoint"],
)
LIVE_CONNECTIONS = Gauge(
    "anilibria_websocket_connections", "Open WebSockets of live events.", multiprocess_mode="livesum"
)
ANILIBRIA_HIT_RATE = Gauge(
    "anilibria_cache_hit_rate",
    "Share of looks into a level of the cache that found a fresh copy, 0 to 1.",
    ["cache_level"],
    multiprocess_mode="livemostrecent",
)
_ANILIBRIA = "/api/anilibria/v2"
_HIT_RATES = {level: ANILIBRIA_HIT_RATE.labels(level) for level in ("l1", "l2", "l3")}


def set_hit_rate(level: str, rate: float) -> None:
    """Set the hit rate of a level of the AniLibria cache, 0 to 1."""
    _HIT_RATES[level].set(rate)


class Snapshot(Collector):
    """Gauges computed at scrape time from state that all processes share."""

    def __init__(self) -> None:
        self._metrics: list[Metric] = []

    def add(self, name: str, text: str, labels: list[str], rows: Iterable[tuple[list[str], float]]) -> None:
        """Add a gauge: each row is its label values and the measured value."""
        gauge = GaugeMetricFamily(name, text, labels=labels)
        for values, measured in rows:
            gauge.add_metric(values, measured)
        self._metrics.append(gauge)

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics


CONTENT_TYPE = CONTENT_TYPE_LATEST


def as_text(snapshot: Snapshot) -> bytes:
    """All metrics in the Prometheus text format. Reads files in multi-process mode, so run it in a thread."""
    counted = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        counted = CollectorRegistry()
        MultiProcessCollector(counted)  # type: ignore[no-untyped-call]
    computed = CollectorRegistry()
    computed.register(snapshot)
    return bytes(_as_text(counted)) + bytes(_as_text(computed))
