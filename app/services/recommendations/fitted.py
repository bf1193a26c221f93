"""The trained model as it is stored and served: compact arrays without pickled code."""

import io
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

ADULT, HIDDEN = 1, 2  # bits of a title's flags; hidden: music videos and the like, and unreleased titles


@dataclass(frozen=True)
class Rows:
    """A sparse matrix (CSR) of quantised values; each is to be multiplied by the scale of its column."""

    ends: Array
    columns: Array
    values: Array
    scales: Array

    def positions(self, rows: Array) -> tuple[Array, Array]:
        """The positions of the values of these rows, and for each its index in ``rows``."""
        counts = self.ends[rows + 1] - self.ends[rows]
        of_row = np.repeat(np.arange(len(rows)), counts)
        within = np.arange(len(of_row)) - np.repeat(np.cumsum(counts) - counts, counts)
        return self.ends[rows][of_row] + within, of_row

    def weighted(self, rows: Array, weights: Array) -> Array:
        """The weighted sum of these rows, over all columns."""
        places, of_row = self.positions(rows)
        summed = np.bincount(
            self.columns[places], weights=self.values[places] * weights[of_row], minlength=len(self.scales)
        )
        return summed * self.scales


@dataclass(frozen=True)
class Groups:
    """Lists of numbers by group (CSR): the titles of a franchise, the prequels of a title, its tags."""

    ends: Array
    members: Array

    def of(self, group: int) -> Array:
        return self.members[self.ends[group] : self.ends[group + 1]]

    @staticmethod
    def from_pairs(groups: Array, members: Array, count: int) -> "Groups":
        """From pairs of group and member; the members of a group keep their order."""
        order = np.argsort(groups, kind="stable")
        ends = np.concatenate([[0], np.cumsum(np.bincount(groups, minlength=count))])
        return Groups(ends.astype(np.int32), members[order])


@dataclass(frozen=True)
class Model:
    """Titles are numbered by position in ``titles``, their ids in ascending order; franchises from 0."""

    titles: Array
    franchises: Array
    flags: Array
    popularity: Array
    members: Groups
    """The titles of each franchise, most popular first."""
    preceding: Groups
    """The titles to be completed before each title."""
    tags: Groups
    continuing: Rows
    """Weights of listed titles (rows) for titles to continue with."""
    discovering: Rows
    """Weights of listed titles (rows) for franchises to discover."""
    cold: Array
    """Titles without training data, least popular first."""
    neighbours: Array
    """For each of ``cold`` the most similar titles with training data."""

    @cached_property
    def size(self) -> int:
        return len(self.titles)

    def numbers(self, ids: Array) -> tuple[Array, Array]:
        """The numbers of the known titles among ``ids``, and their positions in ``ids``."""
        places = np.minimum(np.searchsorted(self.titles, ids), max(self.size - 1, 0))
        known = np.flatnonzero(self.titles[places] == ids) if self.size else np.zeros(0, np.intp)
        return places[known], known

    def pack(self) -> bytes:
        """Serialise in NumPy's ``npz`` format."""
        spool = io.BytesIO()
        np.savez(spool, allow_pickle=False, **dict(_flatten(self)))
        return spool.getvalue()

    @staticmethod
    def unpack(content: bytes) -> "Model":
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            given = {field.name: _restore(field.name, field.type, stored) for field in fields(Model)}
        return Model(**given)


_PARTS: dict[Any, type[Rows] | type[Groups]] = {Rows: Rows, Groups: Groups}


def _flatten(model: Model) -> list[tuple[str, Array]]:
    flat = []
    for field in fields(Model):
        value = getattr(model, field.name)
        if isinstance(value, Rows | Groups):
            flat += [(f"{field.name}.{part.name}", getattr(value, part.name)) for part in fields(value)]
        else:
            flat.append((field.name, value))
    return flat


def _restore(name: str, kind: Any, stored: Any) -> Any:
    part = _PARTS.get(kind)
    if part is None:
        return stored[name]
    return part(**{field.name: stored[f"{name}.{field.name}"] for field in fields(part)})
