"""Structured logging: JSON lines, coloured text on a terminal; request and job ids on every line."""

import logging
import sys
import time
from typing import Any

import structlog
from structlog.contextvars import bind_contextvars, bound_contextvars, reset_contextvars

_SECRET_WORDS = ("password", "token", "secret", "authorization", "cookie")

log = structlog.get_logger("anisync")


def configure_logs(level: str) -> None:
    """Send structlog and standard library logs through one pipeline to stderr."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _hide_secrets,
    ]
    renderer: Any
    if sys.stderr.isatty():
        renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        finish = [renderer]
    else:
        finish = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *finish],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("httpx", "httpcore", "taskiq", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    logging.captureWarnings(True)


def _hide_secrets(_: Any, __: str, event: Any) -> Any:
    for key in event:
        if any(word in key.lower() for word in _SECRET_WORDS):
            event[key] = "[hidden]"
    return event


class Outage:
    """Logs the beginning and the end of an outage once each, however many attempts fail in between."""

    def __init__(self, of: str) -> None:
        self._of = of
        self._since: float | None = None

    def begins(self, error: BaseException) -> None:
        if self._since is None:
            self._since = time.monotonic()
            log.warning("outage.started", of=self._of, error=type(error).__name__)

    def ends(self) -> None:
        if self._since is not None:
            log.info("outage.ended", of=self._of, seconds=round(time.monotonic() - self._since, 1))
            self._since = None


__all__ = ["Outage", "bind_contextvars", "bound_contextvars", "configure_logs", "log", "reset_contextvars"]
