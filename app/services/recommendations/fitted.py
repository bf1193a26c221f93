"""The fitted model as it is stored and served: compact arrays, without any code in them."""

import io
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

ADULT, HIDDEN = 1, 2  # bits of a title's flags; hidden: music videos and the like, and what has not begun


@dataclass(frozen=True)
class Rows:
    """A sparse matrix of small whole numbers by rows; those of a column are to be multiplied by its scale."""

    ends: Array
    columns: Array
    values: Array
    scales: Array

    def entries(self, rows: Array) -> tuple[Array, Array]:
        """The places of all numbers of these rows, and to which of ``rows`` each belongs."""
        counts = self.ends[rows + 1] - self.ends[rows]
        of_row = np.repeat(np.arange(len(rows)), counts)
        within = np.arange(len(of_row)) - np.repeat(np.cumsum(counts) - counts, counts)
        return self.ends[rows][of_row] + within, of_row

    def weighted(self, rows: Array, weights: Array) -> Array:
        """The sum of these rows, each times its weight, over all columns."""
        places, of_row = self.entries(rows)
        summed = np.bincount(
            self.columns[places], weights=self.values[places] * weights[of_row], minlength=len(self.scales)
        )
        return summed * self.scales


@dataclass(frozen=True)
class Groups:
    """For each number from 0 some numbers: the members of a franchise, what precedes a title, its tags."""

    ends: Array
    members: Array

    def of(self, group: int) -> Array:
        return self.members[self.ends[group] : self.ends[group + 1]]

    @staticmethod
    def made(groups: Array, members: Array, count: int) -> "Groups":
        """From pairs; the members of a group stay in their order."""
        order = np.argsort(groups, kind="stable")
        ends = np.concatenate([[0], np.cumsum(np.bincount(groups, minlength=count))])
        return Groups(ends.astype(np.int32), members[order])


@dataclass(frozen=True)
class Model:
    """Titles are numbered as in ``titles``, which holds their ids in rising order; franchises from 0."""

    titles: Array
    franchises: Array
    flags: Array
    popularity: Array
    members: Groups
    """The titles of each franchise, the most popular first."""
    preceding: Groups
    """What is to be completed before a title, by its number."""
    tags: Groups
    continuing: Rows
    """Listed titles by titles to go on with."""
    discovering: Rows
    """Listed titles by franchises to discover."""
    cold: Array
    """Titles that too few people list, the least popular first."""
    neighbours: Array
    """For each of ``cold`` the other titles that are most like it."""

    @cached_property
    def size(self) -> int:
        return len(self.titles)

    def numbers(self, ids: Array) -> tuple[Array, Array]:
        """The numbers of those of these titles that are known, and which of ``ids`` they are."""
        places = np.minimum(np.searchsorted(self.titles, ids), max(self.size - 1, 0))
        known = np.flatnonzero(self.titles[places] == ids) if self.size else np.zeros(0, np.intp)
        return places[known], known

    def pack(self) -> bytes:
        """As bytes, in NumPy's own format of several arrays."""
        spool = io.BytesIO()
        np.savez(spool, allow_pickle=False, **dict(_flat(self)))
        return spool.getvalue()

    @staticmethod
    def unpack(content: bytes) -> "Model":
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            given = {field.name: _gathered(field.name, field.type, stored) for field in fields(Model)}
        return Model(**given)


_PARTS: dict[Any, type[Rows] | type[Groups]] = {Rows: Rows, Groups: Groups}


def _flat(model: Model) -> list[tuple[str, Array]]:
    flat = []
    for field in fields(Model):
        value = getattr(model, field.name)
        if isinstance(value, Rows | Groups):
            flat += [(f"{field.name}.{part.name}", getattr(value, part.name)) for part in fields(value)]
        else:
            flat.append((field.name, value))
    return flat


def _gathered(name: str, kind: Any, stored: Any) -> Any:
    part = _PARTS.get(kind)
    if part is None:
        return stored[name]
    return part(**{field.name: stored[f"{name}.{field.name}"] for field in fields(part)})
