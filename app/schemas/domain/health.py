"""The health of the process and its dependencies."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class SchemaHealth:
    """``reachable`` is PostgreSQL itself; ``found`` is None if there is no schema."""

    reachable: bool
    found: str | None
    wanted: str

    @property
    def ready(self) -> bool:
        return self.reachable and self.found == self.wanted


@dataclass(frozen=True, slots=True)
class Health:
    schema: SchemaHealth
    redis: bool

    @property
    def status(self) -> Literal["ok", "degraded", "error"]:
        """Redis is optional; without the schema nothing works."""
        if not self.schema.ready:
            return "error"
        return "ok" if self.redis else "degraded"
