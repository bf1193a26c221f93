"""Synthetic tastes: series of two seasons in four kinds, and users who like one kind."""

import numpy as np

from app.services.recommendations.fitted import ADULT, Groups
from app.services.recommendations.training import Catalogue, Lists

KINDS, SERIES = 4, 12  # franchises of each kind, with two titles each
TITLES = KINDS * SERIES * 2
COMPLETED, DROPPED, PLANNED = 1, 4, 5


def first(kind: int, series: int) -> int:
    """The number of the first season; its sequel has the next number."""
    return 2 * (kind * SERIES + series)


def make_catalogue(*, cold: int = 0) -> Catalogue:
    """The titles of all kinds, then ``cold`` ones of each kind that nobody lists yet."""
    kinds = np.concatenate([np.repeat(np.arange(KINDS), 2 * SERIES), np.repeat(np.arange(KINDS), cold)])
    size = len(kinds)
    franchises = np.concatenate([np.arange(TITLES) // 2, TITLES // 2 + np.arange(size - TITLES)])
    ends = np.arange(size + 1, dtype=np.int32)
    return Catalogue(
        titles=np.arange(size) * 10 + 5,
        franchises=franchises,
        flags=np.zeros(size, np.uint8),
        members=np.linspace(1_000_000, 1000, size).astype(np.int64),
        tags=Groups(ends, kinds.astype(np.int32)),
        studios=Groups(ends * 0, np.zeros(0, np.int32)),
        preceding=np.stack([np.arange(1, TITLES, 2), np.arange(0, TITLES, 2)], axis=1),
    )


def with_adult(catalogue: Catalogue, titles: list[int]) -> Catalogue:
    flags = catalogue.flags.copy()
    flags[titles] |= ADULT
    return Catalogue(**{**catalogue.__dict__, "flags": flags})


def make_lists(count: int = 300, *, seed: int = 1) -> Lists:
    """Each user likes most of one kind, and drops or dislikes some of another."""
    draw = np.random.default_rng(seed)
    rows: list[tuple[int, int, float, int]] = []
    for user in range(count):
        kind, other = draw.permutation(KINDS)[:2]
        for series in draw.permutation(SERIES)[:8]:
            rows.append((user, first(kind, series), float(draw.integers(7, 11)), COMPLETED))
            if draw.random() < 0.7:
                rows.append((user, first(kind, series) + 1, float(draw.integers(7, 11)), COMPLETED))
        rows += [(user, first(other, series), 3.0, DROPPED) for series in draw.permutation(SERIES)[:2]]
    users, titles, scores, statuses = (np.array(column) for column in zip(*rows, strict=True))
    return Lists(users, titles, scores, statuses)
