"""The evaluation: test titles are not trained on, perfect prediction scores 1, order of methods."""

import numpy as np
import pytest

from app.external.rating_dumps import RatingDump
from app.repositories.recommendations import TitleFacts
from app.schemas.domain.recommendations import Setting
from app.services.recommendations import evaluation
from app.services.recommendations.comparison import compare
from app.services.recommendations.fitted import Array
from app.services.recommendations.packing import build_catalogue, lists_from_ratings, rating_arrays
from app.services.recommendations.training import Lists
from tests.services.recommendations.lists import SERIES, TITLES, make_catalogue, make_lists

CATALOGUE = make_catalogue()
YEARS = np.full(TITLES, 2010)


def long_lists() -> Lists:
    lists = make_lists(60)
    counts = np.bincount(lists.users, minlength=60)
    assert counts.min() >= 10
    return lists


def parted(setting: Setting, seed: int = 3) -> tuple[Lists, evaluation.Split]:
    lists = long_lists()
    made = np.full(lists.count, 2020)
    return lists, evaluation.split(lists, setting, CATALOGUE.franchises, made, seed=seed)


@pytest.mark.parametrize("setting", ["all", "series"])
def test_test_titles_are_removed_from_training_lists(setting: Setting) -> None:
    lists, split = parted(setting)
    groups = CATALOGUE.franchises if setting == "series" else np.arange(TITLES)
    for number, out in enumerate(split.held_out):
        left = groups[split.left.titles[split.left.users == number]]
        assert len(out)
        assert len(left)
        assert not np.isin(out, left).any()
        whole = groups[lists.titles[lists.users == number]]
        assert np.isin(out, whole).all()
    again = parted(setting)[1]
    assert all(np.array_equal(a, b) for a, b in zip(split.held_out, again.held_out, strict=True))


@pytest.mark.parametrize("setting", ["all", "series"])
def test_perfect_prediction_scores_one_and_none_scores_zero(setting: Setting) -> None:
    _, split = parted(setting)
    size = TITLES // 2 if setting == "series" else TITLES

    def foresight(sign: float) -> evaluation.Score:
        def score(_: Lists, lists: Array, count: int) -> Array:
            assert count == size
            scores = np.zeros((len(lists), count))
            for row, number in enumerate(lists):
                scores[row, split.held_out[number]] = sign
            return scores

        return score

    best = evaluation.evaluate(foresight(1), split, CATALOGUE, YEARS)
    assert (best.ndcg, best.recall, best.lists) == (1, 1, 60)
    assert evaluation.evaluate(foresight(-1), split, CATALOGUE, YEARS).ndcg < 0.05


def test_titles_newer_than_the_list_are_no_candidates() -> None:
    _, split = parted("series")
    late = YEARS.copy()
    late[60:] = 2021
    draw = np.random.default_rng(0)

    def at_random(_: Lists, lists: Array, count: int) -> Array:
        return draw.random((len(lists), count))

    anything = evaluation.score_franchises(at_random, CATALOGUE.franchises)
    assert evaluation.evaluate(anything, split, CATALOGUE, YEARS).coverage > 40 / TITLES
    assert evaluation.evaluate(anything, split, CATALOGUE, late).coverage <= 30 / TITLES


def dump_of(lists: Lists, prefix: str) -> RatingDump:
    names = [f"{prefix}{number}" for number in range(lists.count)]
    dump = RatingDump(names=names, sources=["x"] * lists.count)
    dump.users.extend(lists.users.tolist())
    dump.mal_ids.extend((lists.titles + 1000).tolist())
    dump.scores.extend(lists.scores.tolist())
    dump.statuses.extend(lists.statuses.tolist())
    return dump


def facts() -> list[TitleFacts]:
    return [
        TitleFacts(number + 1, 1000 + number, f"20{10 + number % 2}", 2010 + number % 2, 7.0, 1000 - number,
                   False, False, [number // (2 * SERIES)], [])
        for number in range(TITLES)
    ]  # fmt: skip


def test_methods_are_compared_on_unseen_lists_alone() -> None:
    edges = [(number + 1, number + 2, "sequel") for number in range(0, TITLES, 2)]
    catalogue = build_catalogue(facts(), edges)  # type: ignore[arg-type]
    assert int(catalogue.franchises.max()) + 1 == TITLES // 2
    train, test = dump_of(make_lists(200), "train"), dump_of(make_lists(80, seed=2), "test")
    report = compare(catalogue, facts(), train, test, seed=1, min_liked=10)
    assert report.train_lists == 200
    assert report.test_lists > 60
    assert report.results["all"]["model"].ndcg > report.results["all"]["genres"].ndcg
    for setting in ("all", "series"):
        found = report.results[setting]
        assert found["model"].ndcg > found["popularity"].ndcg + 0.1
        assert found["model"].low <= found["model"].ndcg <= found["model"].high
        assert report.as_json()[setting]["EASE^R"]["ndcg@10"] > 0
        assert setting in report.as_table()
    own = compare(catalogue, facts(), train, None, seed=1, min_liked=10)
    assert own.test_lists == 40
    assert own.train_lists == 160
    seen = compare(catalogue, facts(), train, train, seed=1, min_liked=10)
    assert seen.train_lists == 0, "a list that is foretold is not learned from"


def test_the_last_of_several_entries_for_a_title_counts() -> None:
    dump = RatingDump(names=["a"], sources=[""])
    for mal_id, score in ((1000, 3), (4, 9), (1001, 8), (1000, 9)):
        dump.users.append(0)
        dump.mal_ids.append(mal_id)
        dump.scores.append(score)
        dump.statuses.append(1)
    lists = lists_from_ratings(rating_arrays(dump), facts())
    assert dict(zip(lists.titles.tolist(), lists.scores.tolist(), strict=True)) == {0: 9, 1: 8}


def test_crossovers_do_not_join_franchises_and_later_prequels_do_not_block_titles() -> None:
    titles = facts()[:6]
    titles[4] = titles[4]._replace(aired_from="2030")
    edges = [
        (1, 2, "sequel"),
        (2, 3, "character"),
        (3, 4, "side_story"),
        (6, 5, "prequel"),
        (4, 6, "character"),
    ]
    catalogue = build_catalogue(titles, edges)  # type: ignore[arg-type]
    numbers = catalogue.franchises.tolist()
    assert numbers[0] == numbers[1] != numbers[2] == numbers[3] != numbers[4] == numbers[5]
    assert {tuple(pair) for pair in catalogue.preceding.tolist()} == {(1, 0), (3, 2)}


def test_other_relations_join_small_franchises_alone() -> None:
    """Dumps say "other" for a film and its series, and for crossovers of whole franchises."""
    titles = facts() * (70 // TITLES + 1)
    titles = [title._replace(id=number) for number, title in enumerate(titles[:70], start=1)]
    film = [(1, 2, "sequel"), (1, 3, "other")]
    first = [(number, number + 1, "sequel") for number in range(4, 37)]
    second = [(number, number + 1, "sequel") for number in range(38, 70)]
    catalogue = build_catalogue(titles, [*film, *first, (37, 38, "other"), *second])  # type: ignore[list-item]
    assert np.unique(catalogue.franchises).tolist() == [0, 1, 2]
    assert catalogue.franchises[2] == catalogue.franchises[0] != catalogue.franchises[3]
    assert catalogue.franchises[36] != catalogue.franchises[37]
