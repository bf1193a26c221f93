"""One person's recommendations from a model: what to show, in which order, and what each comes from."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from app.services.recommendations import entries
from app.services.recommendations.fitted import ADULT, HIDDEN, Array, Model, Rows

Part = Literal["continue", "discover"]

DEPTH = 400  # titles that are put in an order for a person
_CONTINUED_FIRST = 3  # of what was begun, before what is new
_WORTH_NAMING = 0.1  # of what the first reason adds, that the second must add at least
_REPLACED = 60  # first titles among which others may take the place of those too much alike
_DAMPING = 0.02  # of popularity: its power that scores are divided by
_COLD_SHARE = 0.5  # of what its neighbours are worth, that a title is worth of which nothing was learned


@dataclass(frozen=True)
class Taste:
    """A list as the model sees it: numbers of titles, how much each counts, which were liked, completed."""

    titles: Array
    weights: Array
    liked: Array
    completed: Array
    listed: Array
    """All that must not be shown: the whole list, and what the person does not want."""
    unwanted: Array
    shows_adult: bool

    @staticmethod
    def of(
        model: Model, ids: Array, scores: Array, statuses: Array, *, unwanted: Array, sfw: bool
    ) -> "Taste":
        titles, known = model.numbers(ids)
        scores, statuses = scores[known], statuses[known]
        refused, _ = model.numbers(unwanted)
        return Taste(
            titles,
            entries.weights(scores, statuses),
            entries.liked(scores, statuses),
            entries.is_completed(statuses),
            np.union1d(titles, refused),
            refused,
            not sfw and bool((model.flags[titles] & ADULT).any()),
        )


@dataclass(frozen=True)
class Pick:
    """A title by its number, with the numbers of the two listed titles that speak most for it."""

    title: int
    part: Part
    because: tuple[int, ...]
    is_liked: bool
    """Whether those were liked; else they are merely on the list."""


@dataclass
class Ranking:
    """Titles in order; what they come from is worked out when they are shown."""

    model: Model
    taste: Taste
    titles: list[int]
    parts: list[Part]
    by_franchise: bool = True
    """Whether what is to be discovered was chosen by franchise."""
    _reasons: dict[int, Pick] = field(default_factory=dict)

    def has_picks(self, start: int, end: int) -> bool:
        """Whether what these places come from was worked out already."""
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
    """How much the list speaks for each title; no title's popularity alone speaks for it."""
    scores = model.continuing.weighted(taste.titles, taste.weights)
    if len(model.cold):
        scores[model.cold] += _COLD_SHARE * scores[model.neighbours].mean(axis=1)
    return scores


def discover_scores(model: Model, taste: Taste) -> Array:
    """How much the list speaks for each franchise; many titles of one franchise count less than their sum."""
    scores = model.discovering.weighted(taste.titles, taste.weights / _crowding(model, taste))
    if len(model.cold):
        # of which nothing was learned: as good as the titles most like its most popular one, which is last
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
    """Which titles may be shown: not listed, fit for the person, and all that precedes them completed."""
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
    """Without ``mode`` some titles of what was begun come first, then franchises to discover."""
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
        refused = np.isin(model.franchises, model.franchises[taste.unwanted])
        scores = continue_order(model, taste)
        first = _best(scores, allowed & of_begun & ~(refused & ~_is_listed(model, taste)))
        if mode is None:
            first = first[:_CONTINUED_FIRST]
    new = [] if mode == "continue" else _discovered(model, taste, allowed, begun)
    parts = [_part(True)] * len(first) + [_part(False)] * len(new)
    return Ranking(model, taste, [*first, *new], parts)


def _part(is_begun: object) -> Part:
    return "continue" if is_begun else "discover"


def _is_listed(model: Model, taste: Taste) -> Array:
    """For each title whether the list has anything of its franchise."""
    return np.isin(model.franchises, model.franchises[taste.titles])


def continue_order(model: Model, taste: Taste) -> Array:
    """The scores of titles, a little less for what everybody watches: others get their turn at no loss."""
    scores = continue_scores(model, taste)
    scores /= np.maximum(model.popularity, 100) ** _DAMPING
    return scores


def _best(scores: Array, allowed: Array) -> list[int]:
    candidates = np.flatnonzero(allowed & (scores > 0))
    if len(candidates) > DEPTH:
        candidates = candidates[np.argpartition(-scores[candidates], DEPTH)[:DEPTH]]
    return [int(title) for title in candidates[np.argsort(-scores[candidates], kind="stable")]]


def _discovered(model: Model, taste: Taste, allowed: Array, begun: Array) -> list[int]:
    """The most popular title to begin with of each of the best franchises that are not begun."""
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
    """Let titles unlike those before them come earlier; 0 changes nothing, 1 looks at nothing else.

    Maximal marginal relevance over the first titles of each part, by genres, themes and demographics.
    """
    if diversity == 0:
        return ranking
    titles: list[int] = []
    parts: list[Part] = []
    for part in dict.fromkeys(ranking.parts):
        own = [title for title, of in zip(ranking.titles, ranking.parts, strict=True) if of == part]
        titles += _spread(model, own, diversity)
        parts += [part] * len(own)
    return Ranking(model, ranking.taste, titles, parts, ranking.by_franchise)


def _spread(model: Model, titles: list[int], diversity: float) -> list[int]:
    head = titles[:_REPLACED]
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
    return order + titles[_REPLACED:]


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
    """For each title the two listed ones without which its score would fall most, liked ones if any."""
    of_franchise = [by_franchise and part == "discover" for _, part in chosen]
    told = {
        False: _spoken(model.continuing, taste, [_sources(model, title) for title, _ in chosen]),
        True: _spoken(model.discovering, taste, [_sources_of_franchise(model, title) for title, _ in chosen]),
    }
    picks = []
    for place, (title, part) in enumerate(chosen):
        drops = told[of_franchise[place]][place]
        if of_franchise[place]:
            drops = _falls(model, taste, drops)
        picks.append(Pick(title, part, *_named(taste, drops)))
    return picks


Sources = tuple[Array, Array]
"""The columns that a score is made of, and how much each of them counts."""


def _spoken(rows: Rows, taste: Taste, wanted: Sequence[Sources]) -> list[Array]:
    """For each of ``wanted`` what each entry of the list adds to that sum of columns."""
    needed = np.zeros(len(rows.scales), bool)
    for columns, _ in wanted:
        needed[columns] = True
    places, of_row = rows.entries(taste.titles)
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


def _falls(model: Model, taste: Taste, spoken: Array) -> Array:
    """By how much a franchise's score falls without each entry: then others of its franchise count more."""
    _, places, counts = np.unique(model.franchises[taste.titles], return_inverse=True, return_counts=True)
    together = np.bincount(places, weights=spoken)[places]
    counts = counts[places]
    rest = np.where(counts > 1, (together - spoken) / np.sqrt(np.maximum(counts - 1, 1)), 0)
    return together / np.sqrt(counts) - rest


def _neighbours_of_franchise(model: Model, franchise: int) -> Array:
    cold = np.flatnonzero(np.isin(model.cold, model.members.of(franchise)))
    return model.neighbours[cold[-1]] if len(cold) else model.cold[:0]


def _named(taste: Taste, drops: Array) -> tuple[tuple[int, ...], bool]:
    spoken = np.flatnonzero((drops > 0) & taste.liked)
    is_liked = len(spoken) > 0
    if not is_liked:
        spoken = np.flatnonzero(drops > 0)
    best = spoken[np.argsort(-drops[spoken], kind="stable")[:2]]
    best = best[drops[best] >= _WORTH_NAMING * drops[best[:1]].sum()]
    return tuple(int(title) for title in taste.titles[best]), is_liked
