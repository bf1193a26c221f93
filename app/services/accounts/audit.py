"""The trail that an operator needs: who signed in, what failed, what was misused, who got which role."""

from app.logs import log
from app.utils.metrics import AUTH_EVENTS


def audit(event: str, **facts: object) -> None:
    """Log and count one security event. Facts are ids and addresses, never a secret or what was typed."""
    count_event(event)
    log.info(f"auth.{event}", **facts)


def count_event(event: str) -> None:
    """Count an event of which an attacker could make as many as would fill the log."""
    AUTH_EVENTS.labels(event).inc()
