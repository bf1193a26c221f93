"""The audit trail: sign-ins, failures, token misuse and role changes, as log lines and metrics."""

from app.logs import log
from app.utils.metrics import AUTH_EVENTS


def audit(event: str, **facts: object) -> None:
    """Log and count a security event. Facts are ids and addresses, never secrets or user input."""
    count_event(event)
    log.info(f"auth.{event}", **facts)


def count_event(event: str) -> None:
    """Only count an event, where an attacker could flood the log with it."""
    AUTH_EVENTS.labels(event).inc()
