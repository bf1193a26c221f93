"""How well models foretell what was taken out of lists that they were not fitted on."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from app.schemas.domain.recommendations import Measured, Setting
from app.services.recommendations import entries
from app.services.recommendations.fitted import Array, Model
from app.services.recommendations.ranking import Taste
from app.services.recommendations.training import Catalogue, Lists

Score = Callable[[Lists, Array, int], Array]
"""From the entries that are left of lists, the numbers of those wanted and how many titles there are, to a
row of scores for each; see :func:`of_franchises` for those of titles in "series"."""

TOP = 10
_LONG_ENOUGH = 20  # liked titles of a list that is tested
_TAKEN = 0.2  # of the liked titles
_AT_ONCE = 100  # lists scored together

_DISCOUNT = 1 / np.log2(np.arange(2, TOP + 2))


@dataclass(frozen=True)
class Split:
    """Lists without what was taken out of them, and what it was: titles, or franchises as wholes."""

    setting: Setting
    left: Lists
    taken: list[Array]
    latest: Array
    """The year in which each list was made, or nearly; what began later could not be on it."""


def testable(lists: Lists, *, at_most: int, seed: int) -> Array:
    """The numbers of lists with 20 liked titles or more, in an order drawn by lot."""
    good = entries.liked(lists.scores, lists.statuses)
    long = np.flatnonzero(np.bincount(lists.users[good], minlength=lists.count) >= _LONG_ENOUGH)
    return np.random.default_rng(seed).permutation(long)[:at_most]


def part_of(lists: Lists, users: Array) -> Lists:
    """These lists alone, numbered anew in this order."""
    place = np.full(lists.count, -1)
    place[users] = np.arange(len(users))
    kept = np.flatnonzero(place[lists.users] >= 0)
    kept = kept[np.argsort(place[lists.users[kept]], kind="stable")]
    return Lists(place[lists.users[kept]], lists.titles[kept], lists.scores[kept], lists.statuses[kept])


def split(lists: Lists, setting: Setting, franchises: Array, latest: Array, *, seed: int) -> Split:
    """Take a fifth of the liked titles out of each list, in "series" by whole franchises."""
    draw = np.random.default_rng(seed)
    good = entries.liked(lists.scores, lists.statuses)
    gone = np.zeros(len(lists.users), bool)
    ends = np.searchsorted(lists.users, np.arange(lists.count + 1))
    taken = []
    for start, end in pairwise(ends):
        titles, likes = lists.titles[start:end], lists.titles[start:end][good[start:end]]
        count = max(1, round(_TAKEN * len(likes)))
        if setting == "all":
            out = draw.choice(likes, min(count, len(likes)), replace=False)
            gone[start:end] = np.isin(titles, out)
        else:
            out = _franchises_taken(draw, franchises[likes], count)
            gone[start:end] = np.isin(franchises[titles], out)
        taken.append(out)
    kept = ~gone
    left = Lists(lists.users[kept], lists.titles[kept], lists.scores[kept], lists.statuses[kept])
    return Split(setting, left, taken, latest)


def _franchises_taken(draw: np.random.Generator, liked: Array, count: int) -> Array:
    """Franchises by lot until they hold ``count`` of the liked titles; one at least is left."""
    names, sizes = np.unique(liked, return_counts=True)
    order = draw.permutation(len(names))
    enough = int(np.searchsorted(np.cumsum(sizes[order]), count)) + 1
    return names[order[: min(enough, len(names) - 1)]]


def evaluate(score: Score, split: Split, catalogue: Catalogue, years: Array) -> Measured:
    """Rank all that is not on the list, or begun in "series", and see what of it was taken out."""
    of_franchise = split.setting == "series"
    groups = catalogue.franchises if of_franchise else np.arange(len(catalogue.titles))
    began = np.full(int(groups.max(initial=-1)) + 1, 9999)
    np.minimum.at(began, groups, years)
    values, recalls, shown = [], [], []
    for start, lists in _stripes(split):
        scores = np.array(score(split.left, lists, len(began)), np.float64)
        mine = np.isin(split.left.users, lists)
        scores[split.left.users[mine] - start, groups[split.left.titles[mine]]] = -np.inf
        if of_franchise:
            scores[began[None, :] > split.latest[lists][:, None]] = -np.inf
        best = np.argpartition(-scores, TOP, axis=1)[:, :TOP]
        order = np.argsort(-np.take_along_axis(scores, best, 1), axis=1, kind="stable")
        best = np.take_along_axis(best, order, 1)
        for row, list_ in enumerate(lists):
            out = split.taken[list_]
            if not len(out):
                continue
            hits = np.isin(best[row], out)
            values.append((hits * _DISCOUNT).sum() / _DISCOUNT[: min(len(out), TOP)].sum())
            recalls.append(hits.sum() / len(out))
            shown.append(best[row])
    return _outcome(values, recalls, shown, len(catalogue.titles))


def of_franchises(score: Score, franchises: Array) -> Score:
    """The score of a franchise is that of its best title."""
    order = np.argsort(franchises, kind="stable")
    starts = np.searchsorted(franchises[order], np.arange(int(franchises.max(initial=-1)) + 1))

    def best(left: Lists, lists: Array, _: int) -> Array:
        return np.maximum.reduceat(score(left, lists, len(franchises))[:, order], starts, axis=1)

    return best


def served(model: Model, score: Callable[[Model, Taste], Array]) -> Score:
    """What the served model says of each list."""

    def scores(left: Lists, lists: Array, _: int) -> Array:
        ends = np.searchsorted(left.users, np.arange(lists[0], lists[-1] + 2))
        spans = pairwise(ends)
        return np.stack([score(model, _taste(model, left, start, end)) for start, end in spans])

    return scores


def _taste(model: Model, lists: Lists, start: int, end: int) -> Taste:
    return Taste.of(
        model,
        model.titles[lists.titles[start:end]],
        lists.scores[start:end],
        lists.statuses[start:end],
        unwanted=np.zeros(0, np.int32),
        sfw=False,
    )


def _stripes(split: Split) -> Iterator[tuple[int, Array]]:
    for start in range(0, len(split.taken), _AT_ONCE):
        yield start, np.arange(start, min(start + _AT_ONCE, len(split.taken)))


def _outcome(values: Sequence[float], recalls: Sequence[float], shown: list[Array], size: int) -> Measured:
    if not values:
        return Measured(0, 0, 0, 0, 0, 0)
    draw = np.random.default_rng(0)
    numbers = np.array(values)
    means = [numbers[draw.integers(0, len(numbers), len(numbers))].mean() for _ in range(500)]
    low, high = np.percentile(means, [2.5, 97.5])
    return Measured(
        float(numbers.mean()),
        float(low),
        float(high),
        float(np.mean(recalls)),
        len(np.unique(np.concatenate(shown))) / size,
        len(values),
    )
