"""The trail that an operator needs: who signed in, what failed, what was misused, who got which role."""

from app.logs import log
from app.utils.metrics import AUTH_EVENTS


def audit(event: str, **facts: object) -> None:
    """Log and count one security event. Facts are ids and addresses, never a secret or what was typed."""
    AUTH_EVENTS.labels(event).inc()
    log.info(f"auth.{event}", **facts)
