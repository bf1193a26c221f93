"""An index of genres, themes and demographics by name, for one version of their table."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_NOT_LOADED = -1


@dataclass(frozen=True, slots=True)
class GenreIndex:
    """Maps names to ids; ``version`` is the ``labels`` counter of ``catalogue_version``."""

    version: int = _NOT_LOADED
    by_name: Mapping[str, list[int]] = field(default_factory=dict)

    @classmethod
    def of(cls, version: int, rows: Iterable[tuple[int, str]]) -> "GenreIndex":
        by_name: dict[str, list[int]] = {}
        for id_, name in rows:
            by_name.setdefault(name.casefold(), []).append(id_)
            by_name.setdefault(str(id_), []).append(id_)
        return cls(version, by_name)

    def ids(self, word: str) -> list[int]:
        """The ids for a name (case-insensitive) or an id; empty if it is unknown."""
        return self.by_name.get(word.casefold(), [])
