"""Compare the served models with the baselines, on lists that none of them was trained on."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from app.external.rating_dumps import RatingDump
from app.repositories.recommendations import TitleFacts
from app.schemas.domain.recommendations import EvaluationReport, Measured, Setting
from app.services.recommendations import baselines, entries
from app.services.recommendations.evaluation import (
    MIN_LIKED,
    Score,
    evaluate,
    pick_test_lists,
    score_franchises,
    score_with_model,
    select_lists,
    split,
)
from app.services.recommendations.fitted import Array, Model
from app.services.recommendations.packing import lists_from_ratings, rating_arrays
from app.services.recommendations.ranking import Taste, continue_order, discover_scores, watchable
from app.services.recommendations.training import Catalogue, Lists, Matrix, assemble, fit, matrices

_MAX_TESTED = 2000  # maximum number of test lists, at most a fifth of all
_UNKNOWN_YEAR = 9999
_SETTINGS: tuple[Setting, ...] = ("all", "series")

Method = Callable[[Setting], Score]


@dataclass(frozen=True)
class _Division:
    train: Lists
    test: Lists
    years: Array
    """The approximate year of each test list: that of the newest title that a list of its source likes."""


def compare(
    catalogue: Catalogue,
    titles: Sequence[TitleFacts],
    train: RatingDump,
    test: RatingDump | None,
    *,
    seed: int,
    min_liked: int = MIN_LIKED,
) -> EvaluationReport:
    """Train each method, and let it rank the held-out titles of each test list among all others.

    Lists with fewer than ``min_liked`` liked titles are not tested.
    """
    years = np.array([title.year or _UNKNOWN_YEAR for title in titles], np.int32)
    ratings = np.array([title.score or 0 for title in titles])
    parts = _divide(titles, train, test, years, seed, min_liked)
    held = {
        setting: split(parts.test, setting, catalogue.franchises, parts.years, seed=seed)
        for setting in _SETTINGS
    }
    results: dict[Setting, dict[str, Measured]] = {setting: {} for setting in _SETTINGS}
    for name, method in _methods(catalogue, ratings, parts.train):
        for setting in _SETTINGS:
            results[setting][name] = evaluate(method(setting), held[setting], catalogue, years)
    return EvaluationReport(
        train_lists=parts.train.count,
        test_lists=parts.test.count,
        titles=len(titles),
        franchises=int(catalogue.franchises.max(initial=-1)) + 1,
        results=results,
    )


def _divide(
    titles: Sequence[TitleFacts],
    train: RatingDump,
    test: RatingDump | None,
    years: Array,
    seed: int,
    min_liked: int,
) -> _Division:
    lists = lists_from_ratings(rating_arrays(train), titles)
    if test is None:
        chosen = pick_test_lists(
            lists, min_liked=min_liked, at_most=min(_MAX_TESTED, lists.count // 5), seed=seed
        )
        rest = np.setdiff1d(np.unique(lists.users), chosen)
        made = _years(lists, train.sources, years)
        return _Division(select_lists(lists, rest), select_lists(lists, chosen), made[chosen])
    unseen = lists_from_ratings(rating_arrays(test), titles)
    chosen = pick_test_lists(unseen, min_liked=min_liked, at_most=unseen.count, seed=seed)
    names = set(test.names)
    known = [number for number in np.unique(lists.users) if train.names[number] not in names]
    made = _years(unseen, test.sources, years)
    return _Division(
        select_lists(lists, np.array(known, np.intp)), select_lists(unseen, chosen), made[chosen]
    )


def _years(lists: Lists, sources: Sequence[str], years: Array) -> Array:
    good = np.flatnonzero(entries.liked(lists.scores, lists.statuses) & (years[lists.titles] < _UNKNOWN_YEAR))
    names, of_list = np.unique(np.array(sources)[: lists.count], return_inverse=True)
    newest = np.full(len(names), _UNKNOWN_YEAR - 1)
    for number in range(len(names)):
        own = years[lists.titles[good[of_list[lists.users[good]] == number]]]
        if len(own):
            newest[number] = np.quantile(own, 0.9999, method="lower")  # a few dates may be wrong
    return newest[of_list]


def _methods(catalogue: Catalogue, ratings: Array, train: Lists) -> Iterator[tuple[str, Method]]:
    """One method after the other, so that only one at a time is in memory."""
    inputs, targets = matrices(train, len(catalogue.titles))
    yield "popularity", _by_title(catalogue, baselines.popularity(targets))
    yield "genres", _by_title(catalogue, baselines.genres(catalogue, ratings))
    yield "item-kNN", _by_title(catalogue, baselines.item_knn(targets))
    yield "EASE^R", _ease(catalogue, targets)
    model = assemble(fit(inputs, targets, catalogue.franchises), catalogue)
    yield (
        "model",
        lambda setting: score_with_model(model, discover_scores if setting == "series" else continue_order),
    )
    yield (
        "model, in watch order",
        lambda setting: score_with_model(model, discover_scores if setting == "series" else _in_watch_order),
    )


def _by_title(catalogue: Catalogue, score: Score) -> Method:
    return lambda setting: score_franchises(score, catalogue.franchises) if setting == "series" else score


def _ease(catalogue: Catalogue, targets: Matrix) -> Method:
    def for_setting(setting: Setting) -> Score:
        score = baselines.ease(targets, baselines.EASE_RIDGES[setting])
        return _by_title(catalogue, score)(setting)

    return for_setting


def _in_watch_order(model: Model, taste: Taste) -> Array:
    """The scores of titles that a user is shown: prequels completed, adult only if the list has some."""
    return np.where(watchable(model, taste), continue_order(model, taste), -np.inf)
