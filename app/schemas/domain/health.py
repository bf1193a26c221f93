"""How the process and what it stands on are doing."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class SchemaHealth:
    """``reachable`` is PostgreSQL itself; ``found`` is None where there is no schema at all."""

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
        """Without Redis everything works, slower; without the schema nothing does."""
        if not self.schema.ready:
            return "error"
        return "ok" if self.redis else "degraded"
