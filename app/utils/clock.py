"""The wall clock, as a callable that tests can replace."""

from collections.abc import Callable
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)


def day_in(zone: str, now: datetime) -> str:
    """The current date in a time zone of the IANA database, as ``YYYY-MM-DD``."""
    return now.astimezone(ZoneInfo(zone)).date().isoformat()
