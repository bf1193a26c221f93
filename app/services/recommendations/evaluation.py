"""Offline evaluation: how well a model predicts the held-out titles of lists that it was not trained on."""

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
"""Scores titles for lists: takes the remaining entries of all lists, the numbers of the lists to score and
the number of titles, and returns a row of scores per list. :func:`score_franchises` adapts it to "series"."""

TOP = 10
MIN_LIKED = 20  # minimum number of liked titles of a test list
_HELD_OUT = 0.2  # share of the liked titles that is held out
_BATCH = 100  # lists scored in one batch

_DISCOUNT = 1 / np.log2(np.arange(2, TOP + 2))


@dataclass(frozen=True)
class Split:
    """Test lists without their held-out titles; ``held_out`` are those titles, or whole franchises."""

    setting: Setting
    left: Lists
    held_out: list[Array]
    latest: Array
    """The approximate year of each list; titles that started later could not be on it."""


def pick_test_lists(lists: Lists, *, min_liked: int, at_most: int, seed: int) -> Array:
    """The numbers of up to ``at_most`` lists with at least ``min_liked`` liked titles, in random order."""
    good = entries.liked(lists.scores, lists.statuses)
    long = np.flatnonzero(np.bincount(lists.users[good], minlength=lists.count) >= min_liked)
    return np.random.default_rng(seed).permutation(long)[:at_most]


def select_lists(lists: Lists, users: Array) -> Lists:
    """Only these lists, renumbered in this order."""
    place = np.full(lists.count, -1)
    place[users] = np.arange(len(users))
    kept = np.flatnonzero(place[lists.users] >= 0)
    kept = kept[np.argsort(place[lists.users[kept]], kind="stable")]
    return Lists(place[lists.users[kept]], lists.titles[kept], lists.scores[kept], lists.statuses[kept])


def split(lists: Lists, setting: Setting, franchises: Array, latest: Array, *, seed: int) -> Split:
    """Hold out a fifth of each list's liked titles; in the setting "series" whole franchises."""
    rng = np.random.default_rng(seed)
    good = entries.liked(lists.scores, lists.statuses)
    is_held_out = np.zeros(len(lists.users), bool)
    ends = np.searchsorted(lists.users, np.arange(lists.count + 1))
    held_out = []
    for start, end in pairwise(ends):
        titles, likes = lists.titles[start:end], lists.titles[start:end][good[start:end]]
        count = max(1, round(_HELD_OUT * len(likes)))
        if setting == "all":
            out = rng.choice(likes, min(count, len(likes)), replace=False)
            is_held_out[start:end] = np.isin(titles, out)
        else:
            out = _pick_franchises(rng, franchises[likes], count)
            is_held_out[start:end] = np.isin(franchises[titles], out)
        held_out.append(out)
    kept = ~is_held_out
    left = Lists(lists.users[kept], lists.titles[kept], lists.scores[kept], lists.statuses[kept])
    return Split(setting, left, held_out, latest)


def _pick_franchises(rng: np.random.Generator, liked: Array, count: int) -> Array:
    """Random franchises with at least ``count`` liked titles in all; at least one is left on the list."""
    names, sizes = np.unique(liked, return_counts=True)
    order = rng.permutation(len(names))
    enough = int(np.searchsorted(np.cumsum(sizes[order]), count)) + 1
    return names[order[: min(enough, len(names) - 1)]]


def evaluate(score: Score, split: Split, catalogue: Catalogue, years: Array) -> Measured:
    """Rank the titles that are not on each list; nDCG and recall at 10 of the held-out ones.

    In the setting "series" franchises are ranked of which the list has no title.
    """
    of_franchise = split.setting == "series"
    groups = catalogue.franchises if of_franchise else np.arange(len(catalogue.titles))
    began = np.full(int(groups.max(initial=-1)) + 1, 9999)
    np.minimum.at(began, groups, years)
    values, recalls, shown = [], [], []
    for start, lists in _batches(split):
        scores = np.array(score(split.left, lists, len(began)), np.float64)
        mine = np.isin(split.left.users, lists)
        scores[split.left.users[mine] - start, groups[split.left.titles[mine]]] = -np.inf
        if of_franchise:
            scores[began[None, :] > split.latest[lists][:, None]] = -np.inf
        best = np.argpartition(-scores, TOP, axis=1)[:, :TOP]
        order = np.argsort(-np.take_along_axis(scores, best, 1), axis=1, kind="stable")
        best = np.take_along_axis(best, order, 1)
        for row, list_ in enumerate(lists):
            out = split.held_out[list_]
            if not len(out):
                continue
            hits = np.isin(best[row], out)
            values.append((hits * _DISCOUNT).sum() / _DISCOUNT[: min(len(out), TOP)].sum())
            recalls.append(hits.sum() / len(out))
            shown.append(best[row])
    return _outcome(values, recalls, shown, len(catalogue.titles))


def score_franchises(score: Score, franchises: Array) -> Score:
    """Score franchises instead of titles: each by its best title."""
    order = np.argsort(franchises, kind="stable")
    starts = np.searchsorted(franchises[order], np.arange(int(franchises.max(initial=-1)) + 1))

    def best(left: Lists, lists: Array, _: int) -> Array:
        return np.maximum.reduceat(score(left, lists, len(franchises))[:, order], starts, axis=1)

    return best


def score_with_model(model: Model, score: Callable[[Model, Taste], Array]) -> Score:
    """Score with the served model."""

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


def _batches(split: Split) -> Iterator[tuple[int, Array]]:
    for start in range(0, len(split.held_out), _BATCH):
        yield start, np.arange(start, min(start + _BATCH, len(split.held_out)))


def _outcome(values: Sequence[float], recalls: Sequence[float], shown: list[Array], size: int) -> Measured:
    if not values:
        return Measured(0, 0, 0, 0, 0, 0)
    rng = np.random.default_rng(0)
    numbers = np.array(values)
    means = [numbers[rng.integers(0, len(numbers), len(numbers))].mean() for _ in range(500)]
    low, high = np.percentile(means, [2.5, 97.5])
    return Measured(
        float(numbers.mean()),
        float(low),
        float(high),
        float(np.mean(recalls)),
        len(np.unique(np.concatenate(shown))) / size,
        len(values),
    )
