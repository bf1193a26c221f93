"""A user's recommendations from a model: which titles, in which order, and the reasons."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from app.services.recommendations import entries
from app.services.recommendations.fitted import ADULT, HIDDEN, Array, Model, Rows

Part = Literal["continue", "discover"]

DEPTH = 400  # titles that are ranked for a user
_CONTINUED_FIRST = 3  # sequels and the like that come before new franchises
_MIN_SECOND_REASON = 0.1  # minimum contribution of the second reason, as a share of the first one's
_REORDERED = 60  # first titles that are reordered for diversity
_POPULARITY_EXPONENT = 0.02  # exponent of the popularity by which scores are divided
_COLD_SHARE = 0.5  # the score of a title without training data, as a share of the mean of its neighbours


@dataclass(frozen=True)
class Taste:
    """A list as the model sees it: title numbers, their weights, and which were liked and completed."""

    titles: Array
    weights: Array
    liked: Array
    completed: Array
    listed: Array
    """Titles that must not be shown: the whole list, and the ignored ones."""
    unwanted: Array
    shows_adult: bool

    @staticmethod
    def of(
        model: Model, ids: Array, scores: Array, statuses: Array, *, unwanted: Array, sfw: bool
    ) -> "Taste":
        titles, known = model.numbers(ids)
        scores, statuses = scores[known], statuses[known]
        ignored, _ = model.numbers(unwanted)
        return Taste(
            titles,
            entries.weights(scores, statuses),
            entries.liked(scores, statuses),
            entries.is_completed(statuses),
            np.union1d(titles, ignored),
            ignored,
            not sfw and bool((model.flags[titles] & ADULT).any()),
        )


@dataclass(frozen=True)
class Pick:
    """A recommended title by its number, with the numbers of up to two listed titles that contribute most."""

    title: int
    part: Part
    because: tuple[int, ...]
    is_liked: bool
    """Whether those titles were liked; otherwise they are merely on the list."""


@dataclass
class Ranking:
    """Titles in order; their reasons are computed when they are shown."""

    model: Model
    taste: Taste
    titles: list[int]
    parts: list[Part]
    by_franchise: bool = True
    """Whether new titles were chosen by the score of their franchise."""
    _reasons: dict[int, Pick] = field(default_factory=dict)

    def has_picks(self, start: int, end: int) -> bool:
        """Whether the reasons of this range are computed already."""
        return all(place in self._reasons for place in range(start, min(end, len(self.titles))))

    def picks(self, start: int, end: int) -> list[Pick]:
        wanted = [place for place in range(start, min(end, len(self.titles))) if place not in self._reasons]
        if wanted:
            chosen = [(self.titles[place], self.parts[place]) for place in wanted]
            self._reasons.update(
                zip(
                    wanted,
                    explain(self.model, self.taste, chosen, by_franchise=self.by_franchise),
                    strict=True,
                )
            )
        return [self._reasons[place] for place in range(start, min(end, len(self.titles)))]


def continue_scores(model: Model, taste: Taste) -> Array:
    """The score of each title for the list; popularity alone adds nothing."""
    scores = model.continuing.weighted(taste.titles, taste.weights)
    if len(model.cold):
        scores[model.cold] += _COLD_SHARE * scores[model.neighbours].mean(axis=1)
    return scores


def discover_scores(model: Model, taste: Taste) -> Array:
    """The score of each franchise; several listed titles of one franchise count less than their sum."""
    scores = model.discovering.weighted(taste.titles, taste.weights / _crowding(model, taste))
    if len(model.cold):
        # without training data: from the neighbours of its most popular cold title, which comes last
        franchises = model.franchises[model.cold]
        new = model.discovering.scales[franchises] == 0
        near = model.franchises[model.neighbours[new]]
        scores[franchises[new]] = _COLD_SHARE * scores[near].mean(axis=1)
    return scores


def _crowding(model: Model, taste: Taste) -> Array:
    franchises = model.franchises[taste.titles]
    _, places, counts = np.unique(franchises, return_inverse=True, return_counts=True)
    crowding: Array = np.sqrt(counts[places])
    return crowding


def watchable(model: Model, taste: Taste) -> Array:
    """Whether each title may be shown: not listed, suitable for the user, and all its prequels completed."""
    allowed: Array = (model.flags & HIDDEN) == 0
    if not taste.shows_adult:
        allowed &= (model.flags & ADULT) == 0
    allowed[taste.listed] = False
    completed = np.zeros(model.size, bool)
    completed[taste.titles[taste.completed]] = True
    missing = ~completed[model.preceding.members]
    waits = np.repeat(np.arange(model.size), np.diff(model.preceding.ends))[missing]
    allowed[waits] = False
    return allowed


def rank(model: Model, taste: Taste, mode: Literal["discover", "continue", "all"] | None) -> Ranking:
    """Rank the titles. Without ``mode`` a few of franchises on the list come first, then new franchises."""
    allowed = watchable(model, taste)
    begun = np.zeros(len(model.members.ends) - 1, bool)
    begun[model.franchises[taste.listed]] = True
    of_begun = begun[model.franchises]
    first: list[int] = []
    if mode == "all":
        first = _best(continue_order(model, taste), allowed)
        parts = [_part(of_begun[title]) for title in first]
        return Ranking(model, taste, first, parts, by_franchise=False)
    if mode != "discover":
        ignored = np.isin(model.franchises, model.franchises[taste.unwanted])
        scores = continue_order(model, taste)
        first = _best(scores, allowed & of_begun & ~(ignored & ~_is_listed(model, taste)))
        if mode is None:
            first = first[:_CONTINUED_FIRST]
    new = [] if mode == "continue" else _rank_new(model, taste, allowed, begun)
    parts = [_part(True)] * len(first) + [_part(False)] * len(new)
    return Ranking(model, taste, [*first, *new], parts)


def _part(is_begun: object) -> Part:
    return "continue" if is_begun else "discover"


def _is_listed(model: Model, taste: Taste) -> Array:
    """For each title, whether any title of its franchise is on the list."""
    return np.isin(model.franchises, model.franchises[taste.titles])


def continue_order(model: Model, taste: Taste) -> Array:
    """The scores of titles, slightly lower for popular ones: variety at no measurable loss."""
    scores = continue_scores(model, taste)
    scores /= np.maximum(model.popularity, 100) ** _POPULARITY_EXPONENT
    return scores


def _best(scores: Array, allowed: Array) -> list[int]:
    candidates = np.flatnonzero(allowed & (scores > 0))
    if len(candidates) > DEPTH:
        candidates = candidates[np.argpartition(-scores[candidates], DEPTH)[:DEPTH]]
    return [int(title) for title in candidates[np.argsort(-scores[candidates], kind="stable")]]


def _rank_new(model: Model, taste: Taste, allowed: Array, begun: Array) -> list[int]:
    """For each of the best new franchises, the most popular title that can be watched first."""
    scores = discover_scores(model, taste)
    scores[begun] = -np.inf
    found: list[int] = []
    for franchise in _best(scores, np.ones(len(scores), bool)):
        members = model.members.of(franchise)
        members = members[allowed[members]]
        if len(members):
            found.append(int(members[0]))
    return found


def diversify(model: Model, ranking: Ranking, diversity: float) -> Ranking:
    """Reorder titles so that similar ones are not next to each other.

    ``diversity`` is 0 (off) to 1 (ignores relevance). Maximal marginal relevance over the first titles of
    each part, by genres, themes and demographics.
    """
    if diversity == 0:
        return ranking
    titles: list[int] = []
    parts: list[Part] = []
    for part in dict.fromkeys(ranking.parts):
        own = [title for title, of in zip(ranking.titles, ranking.parts, strict=True) if of == part]
        titles += _reorder(model, own, diversity)
        parts += [part] * len(own)
    return Ranking(model, ranking.taste, titles, parts, ranking.by_franchise)


def _reorder(model: Model, titles: list[int], diversity: float) -> list[int]:
    head = titles[:_REORDERED]
    alike = _likeness(model, head)
    relevance = 1 - np.arange(len(head)) / max(len(head), 1)
    closest = np.zeros(len(head))
    left = np.ones(len(head), bool)
    order = []
    for _ in head:
        values = np.where(left, (1 - diversity) * relevance - diversity * closest, -np.inf)
        best = int(np.argmax(values))
        order.append(head[best])
        left[best] = False
        closest = np.maximum(closest, alike[best])
    return order + titles[_REORDERED:]


def _likeness(model: Model, titles: Sequence[int]) -> Array:
    width = int(model.tags.members.max(initial=-1)) + 1
    tags = np.zeros((len(titles), width), np.float32)
    for row, title in enumerate(titles):
        tags[row, model.tags.of(title)] = 1
    shared = tags @ tags.T
    sizes = np.diag(shared)
    likeness: Array = shared / np.maximum(sizes[:, None] + sizes[None, :] - shared, 1)
    return likeness


def explain(
    model: Model, taste: Taste, chosen: Sequence[tuple[int, Part]], *, by_franchise: bool
) -> list[Pick]:
    """The reasons for each title: the two listed ones that contribute most, liked ones if any."""
    of_franchise = [by_franchise and part == "discover" for _, part in chosen]
    contributions = {
        False: _contributions(model.continuing, taste, [_sources(model, title) for title, _ in chosen]),
        True: _contributions(
            model.discovering, taste, [_sources_of_franchise(model, title) for title, _ in chosen]
        ),
    }
    picks = []
    for place, (title, part) in enumerate(chosen):
        drops = contributions[of_franchise[place]][place]
        if of_franchise[place]:
            drops = _score_losses(model, taste, drops)
        picks.append(Pick(title, part, *_strongest(taste, drops)))
    return picks


Sources = tuple[Array, Array]
"""The matrix columns whose weighted sum is a score, and their factors."""


def _contributions(rows: Rows, taste: Taste, wanted: Sequence[Sources]) -> list[Array]:
    """For each of ``wanted``, the contribution of every entry of the list to that weighted sum of columns."""
    needed = np.zeros(len(rows.scales), bool)
    for columns, _ in wanted:
        needed[columns] = True
    places, of_row = rows.positions(taste.titles)
    meant = needed[rows.columns[places]]
    places, of_row = places[meant], of_row[meant]
    column = rows.columns[places]
    values = rows.values[places] * rows.scales[column] * taste.weights[of_row]
    found = []
    for columns, factors in wanted:
        factor = np.zeros(len(rows.scales))
        np.add.at(factor, columns, factors)
        found.append(np.bincount(of_row, weights=values * factor[column], minlength=len(taste.titles)))
    return found


def _sources(model: Model, title: int) -> Sources:
    cold = np.flatnonzero(model.cold == title)
    near = model.neighbours[cold[0]] if len(cold) else model.cold[:0]
    shares = np.full(len(near), _COLD_SHARE / max(len(near), 1))
    return np.append(near, title), np.append(shares, 1.0)


def _sources_of_franchise(model: Model, title: int) -> Sources:
    franchise = int(model.franchises[title])
    if model.discovering.scales[franchise] > 0:
        return np.array([franchise]), np.ones(1)
    near = model.franchises[_neighbours_of_franchise(model, franchise)]
    return near, np.full(len(near), _COLD_SHARE / max(len(near), 1))


def _score_losses(model: Model, taste: Taste, contributing: Array) -> Array:
    """By how much a score falls without each entry; the others of its franchise then count more."""
    _, places, counts = np.unique(model.franchises[taste.titles], return_inverse=True, return_counts=True)
    together = np.bincount(places, weights=contributing)[places]
    counts = counts[places]
    rest = np.where(counts > 1, (together - contributing) / np.sqrt(np.maximum(counts - 1, 1)), 0)
    return together / np.sqrt(counts) - rest


def _neighbours_of_franchise(model: Model, franchise: int) -> Array:
    cold = np.flatnonzero(np.isin(model.cold, model.members.of(franchise)))
    return model.neighbours[cold[-1]] if len(cold) else model.cold[:0]


def _strongest(taste: Taste, drops: Array) -> tuple[tuple[int, ...], bool]:
    contributing = np.flatnonzero((drops > 0) & taste.liked)
    is_liked = len(contributing) > 0
    if not is_liked:
        contributing = np.flatnonzero(drops > 0)
    best = contributing[np.argsort(-drops[contributing], kind="stable")[:2]]
    best = best[drops[best] >= _MIN_SECOND_REASON * drops[best[:1]].sum()]
    return tuple(int(title) for title in taste.titles[best]), is_liked
