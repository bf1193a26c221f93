"""Prometheus figures; all names start with ``anisync_``. With several processes they meet in a folder."""

import os
from collections.abc import Iterable, Iterator
from functools import lru_cache

from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client import generate_latest as _as_text
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

REQUESTS = Counter("anisync_requests_total", "Requests answered.", ["method", "endpoint", "status"])
REQUEST_SECONDS = Histogram(
    "anisync_request_duration_seconds", "Time to answer a request.", ["method", "endpoint"]
)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def observe_request(method: str, endpoint: str, status: int, seconds: float) -> None:
    """Count one answer; ``endpoint`` is the route template, ``seconds`` the wall time."""
    answers, durations = _request_figures(method if method in _METHODS else "other", endpoint, status)
    answers.inc()
    durations.observe(seconds)


@lru_cache(maxsize=4096)
def _request_figures(method: str, endpoint: str, status: int) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(method, endpoint, str(status)), REQUEST_SECONDS.labels(method, endpoint)


JOB_ATTEMPTS = Counter(
    "anisync_job_attempts_total", "Attempts at jobs, by how they ended.", ["kind", "outcome"]
)

POOL_CONNECTIONS = Gauge(
    "anisync_pool_connections", "Connections to PostgreSQL.", ["state"], multiprocess_mode="livesum"
)
POOL_LIMIT = Gauge(
    "anisync_pool_limit", "Connections that may be opened at most.", multiprocess_mode="livesum"
)
POOL_WAITING = Gauge(
    "anisync_pool_waiting", "Requests that wait for a connection.", multiprocess_mode="livesum"
)

FOLLOWER_FAILURES = Counter(
    "anisync_after_commit_failures_total", "Work that should have followed a commit, and failed."
)
BACKGROUND_FAILURES = Counter(
    "anisync_background_failures_total", "Failures of work in the background, by its name.", ["task"]
)

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

SYNC_PUSHES = Counter(
    "anisync_sync_pushes_total", "Entries that were to be told to a service.", ["service", "outcome"]
)

AUTH_EVENTS = Counter(
    "anisync_auth_events_total", "Sign-ins, failures, misuse of tokens, changes of roles.", ["event"]
)


CACHE_REQUESTS = Counter(
    "anisync_cache_requests_total",
    "Requests that a cache answered, shared, or let through.",
    ["cache", "outcome"],
)
CACHE_LOOKUPS = Counter(
    "anisync_cache_lookups_total",
    "Looks of a cache into one of its levels.",
    ["cache", "level", "outcome"],
)


class Snapshot(Collector):
    """Figures that are read when they are asked for, from a place that all processes share."""

    def __init__(self) -> None:
        self._metrics: list[Metric] = []

    def add(self, name: str, text: str, labels: list[str], rows: Iterable[tuple[list[str], float]]) -> None:
        """A gauge with a row for each set of values of its labels."""
        gauge = GaugeMetricFamily(name, text, labels=labels)
        for values, figure in rows:
            gauge.add_metric(values, figure)
        self._metrics.append(gauge)

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics


CONTENT_TYPE = CONTENT_TYPE_LATEST


def as_text(snapshot: Snapshot) -> bytes:
    """All figures in Prometheus' text format. Reads files where several processes meet."""
    ours = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        ours = CollectorRegistry()
        MultiProcessCollector(ours)  # type: ignore[no-untyped-call]
    momentary = CollectorRegistry()
    momentary.register(snapshot)
    return bytes(_as_text(ours)) + bytes(_as_text(momentary))
