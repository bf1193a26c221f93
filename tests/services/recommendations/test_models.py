"""Recommendation models on synthetic tastes: learning, ranking, reasons and storage."""

from dataclasses import replace

import numpy as np
import pytest

from app.services.recommendations.fitted import Model
from app.services.recommendations.ranking import (
    Ranking,
    Taste,
    continue_scores,
    discover_scores,
    diversify,
    rank,
)
from app.services.recommendations.training import Fitted, assemble, fit, matrices, similar
from tests.services.recommendations.lists import (
    COMPLETED,
    DROPPED,
    KINDS,
    SERIES,
    TITLES,
    first,
    make_catalogue,
    make_lists,
    with_adult,
)

CATALOGUE = make_catalogue(cold=3)
NONE = np.zeros(0, np.int64)


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    return fit(*matrices(make_lists(), len(CATALOGUE.titles)), CATALOGUE.franchises)


@pytest.fixture(scope="module")
def model(fitted: Fitted) -> Model:
    return Model.unpack(assemble(fitted, CATALOGUE).pack())


def taste(
    model: Model, rows: dict[int, tuple[float, int]], *, unwanted: tuple[int, ...] = (), sfw: bool = False
) -> Taste:
    """The taste of a list: score and status by title number."""
    return Taste.of(
        model,
        model.titles[list(rows)].astype(np.int64),
        np.array([score for score, _ in rows.values()], np.float32),
        np.array([status for _, status in rows.values()], np.int8),
        unwanted=model.titles[list(unwanted)].astype(np.int64),
        sfw=sfw,
    )


def liking(kind: int, count: int = 4) -> dict[int, tuple[float, int]]:
    return {first(kind, series): (9.0, COMPLETED) for series in range(count)}


def kinds(model: Model, titles: list[int]) -> list[int]:
    return [int(model.tags.of(title)[0]) for title in titles]


def test_weights_are_not_negative_and_no_title_speaks_for_itself(fitted: Fitted) -> None:
    assert (fitted.continuing.data > 0).all()
    assert not fitted.continuing.diagonal().any()
    of_franchise = CATALOGUE.franchises[fitted.warm]
    for column, franchise in enumerate(fitted.franchises):
        assert not fitted.discovering[of_franchise == franchise, column].any()


def test_the_stored_model_equals_the_fitted_one_up_to_rounding(fitted: Fitted, model: Model) -> None:
    again = Model.unpack(model.pack())
    mine = taste(again, liking(2))
    exact = np.zeros(len(CATALOGUE.titles))
    column = np.zeros(len(fitted.warm))
    column[np.isin(fitted.warm, mine.titles)] = 1
    exact[fitted.warm] = column @ fitted.continuing
    found = continue_scores(again, mine)
    assert found[fitted.warm] == pytest.approx(exact[fitted.warm], abs=0.01 * exact.max())


def test_a_bad_file_runs_no_code() -> None:
    with pytest.raises(ValueError, match="pickle"):
        Model.unpack(b"\x80\x04K\x01.")


@pytest.mark.parametrize("mode", [None, "discover", "continue", "all"])
def test_a_taste_is_recognised_and_nothing_listed_is_shown(model: Model, mode: str | None) -> None:
    mine = taste(model, liking(1))
    ranking = rank(model, mine, mode)  # type: ignore[arg-type]
    assert ranking.titles
    assert not set(ranking.titles) & set(mine.titles.tolist())
    assert len(set(ranking.titles)) == len(ranking.titles)
    assert kinds(model, ranking.titles[:6])[:3].count(1) == 3


def test_discoveries_are_one_title_of_each_new_franchise(model: Model) -> None:
    mine = taste(model, liking(1))
    ranking = rank(model, mine, "discover")
    franchises = [int(model.franchises[title]) for title in ranking.titles]
    assert len(set(franchises)) == len(franchises)
    assert not set(franchises) & set(model.franchises[mine.titles].tolist())
    assert set(ranking.parts) == {"discover"}


def test_a_sequel_waits_until_what_precedes_it_is_completed(model: Model) -> None:
    watching = {**liking(0), first(0, 5): (0.0, 2), first(0, 6): (9.0, COMPLETED)}
    for mode in ("continue", "all", "discover"):
        shown = rank(model, taste(model, watching), mode).titles
        sequels = {title for title in shown if title < TITLES and title % 2}
        assert sequels <= {title + 1 for title in watching}
        assert first(0, 5) + 1 not in shown
    assert first(0, 6) + 1 in rank(model, taste(model, watching), "continue").titles


def test_by_default_a_few_continuations_come_first(model: Model) -> None:
    ranking = rank(model, taste(model, liking(3, 6)), None)
    assert ranking.parts[:4] == ["continue", "continue", "continue", "discover"]
    assert "continue" not in ranking.parts[3:]


def test_disliked_titles_count_negatively(model: Model) -> None:
    disliked = {first(2, series): (score, status) for series, (score, status) in
                enumerate([(2.0, COMPLETED), (0.0, DROPPED), (4.0, DROPPED), (3.0, COMPLETED)])}  # fmt: skip
    mixed = taste(model, {**liking(0), **disliked})
    scores = continue_scores(model, mixed)
    of_kind = [scores[[first(kind, series) for series in range(6, SERIES)]].mean() for kind in (0, 2)]
    assert of_kind[0] > 0.1
    assert of_kind[1] <= 0
    assert 2 not in kinds(model, rank(model, mixed, "discover").titles[:4])


def test_ignored_titles_and_their_franchises_are_not_shown(model: Model) -> None:
    best = rank(model, taste(model, liking(1)), "discover").titles[0]
    for mode in (None, "discover", "all"):
        shown = rank(model, taste(model, liking(1), unwanted=(best,)), mode).titles
        assert best not in shown
    again = rank(model, taste(model, liking(1), unwanted=(best,)), "discover").titles
    assert model.franchises[best] not in model.franchises[again]


def test_reasons_are_the_titles_with_the_largest_effect_on_the_score(model: Model) -> None:
    rows = {**liking(1, 5), first(1, 7): (5.0, COMPLETED), first(0, 1): (8.0, COMPLETED)}
    mine = taste(model, rows)
    for mode in ("discover", "all", "continue"):
        ranking = rank(model, mine, mode)
        for pick in ranking.picks(0, 5):
            assert pick.because
            assert pick.is_liked
            falls = {
                title: _fall(model, rows, pick.title, title, mode) for title in rows if rows[title][0] >= 7
            }
            most = sorted(falls, key=lambda title: -falls[title])[: len(pick.because)]
            assert [falls[title] for title in pick.because] == pytest.approx([falls[t] for t in most])
            assert _score(model, rows, pick.title, mode) > _score(
                model, {t: row for t, row in rows.items() if t not in pick.because}, pick.title, mode
            )


def _score(model: Model, rows: dict[int, tuple[float, int]], title: int, mode: str) -> float:
    mine = taste(model, rows)
    if mode == "discover":
        return float(discover_scores(model, mine)[model.franchises[title]])
    return float(continue_scores(model, mine)[title])


def _fall(model: Model, rows: dict[int, tuple[float, int]], title: int, without: int, mode: str) -> float:
    rest = {listed: row for listed, row in rows.items() if listed != without}
    return _score(model, rows, title, mode) - _score(model, rest, title, mode)


def test_a_title_on_no_list_is_scored_by_its_metadata(model: Model) -> None:
    new = np.arange(TITLES, len(model.titles)).reshape(KINDS, -1)
    assert set(model.cold.tolist()) == set(new.ravel().tolist())
    mine = taste(model, liking(2))
    scores = continue_scores(model, mine)
    assert scores[new[2]].min() > max(scores[new[kind]].max() for kind in (0, 1, 3))
    discovered = rank(model, mine, "discover")
    assert kinds(model, [title for title in discovered.titles if title >= TITLES])[:3] == [2, 2, 2]
    place = discovered.titles.index(int(new[2][0]))
    assert kinds(model, list(discovered.picks(place, place + 1)[0].because)) == [2, 2]


def test_adult_titles_are_recommended_only_to_users_who_list_some(fitted: Fitted) -> None:
    adult = [first(1, 8), first(1, 9)]
    model = assemble(fitted, with_adult(CATALOGUE, adult))
    assert not set(adult) & set(rank(model, taste(model, liking(1)), "discover").titles)
    rows = {**liking(1), adult[0]: (8.0, COMPLETED)}
    assert adult[1] in rank(model, taste(model, rows), "discover").titles
    assert adult[1] not in rank(model, taste(model, rows, sfw=True), "discover").titles


def test_diversity_brings_other_kinds_forward_and_loses_nothing(model: Model) -> None:
    rows = {**liking(0, 6), **liking(1, 2)}
    plain = rank(model, taste(model, rows), "discover")
    spread = [diversify(model, plain, diversity) for diversity in (0.0, 0.5, 1.0)]
    assert spread[0].titles == plain.titles
    assert all(sorted(one.titles) == sorted(plain.titles) for one in spread)
    assert all(one.titles[0] == plain.titles[0] for one in spread)
    counts = [len(set(kinds(model, one.titles[:KINDS]))) for one in spread]
    assert counts == sorted(counts)
    assert counts[-1] == KINDS > counts[0]


def test_unknown_titles_and_empty_lists_give_no_recommendations(model: Model) -> None:
    ids = np.array([1, 2, 10**9], np.int64)
    stranger = Taste.of(model, ids, np.full(3, 9.0), np.full(3, COMPLETED), unwanted=ids, sfw=False)
    assert len(stranger.titles) == 0
    for mode in (None, "discover", "continue", "all"):
        assert rank(model, stranger, mode).titles == []
    assert Ranking(model, stranger, [], []).picks(0, 10) == []


def test_similar_titles_are_of_the_kind_and_of_other_franchises() -> None:
    _, targets = matrices(make_lists(), len(CATALOGUE.titles))
    adult = [first(0, 2)]
    found = similar(targets, with_adult(CATALOGUE, adult))
    by_id = {int(title): row for row, title in enumerate(found.titles)}
    number = {int(id_): place for place, id_ in enumerate(CATALOGUE.titles)}
    for title in (first(0, 0), first(3, 3), TITLES):
        row = by_id[int(CATALOGUE.titles[title])]
        best = [number[int(id_)] for id_, score in zip(found.similar[row], found.scores[row], strict=True)
                if score > 0][:8]  # fmt: skip
        assert {int(CATALOGUE.tags.of(near)[0]) for near in best} == {int(CATALOGUE.tags.of(title)[0])}
        assert CATALOGUE.franchises[title] not in CATALOGUE.franchises[best]
        assert not set(best) & set(adult)
        assert (np.diff(found.scores[row]) <= 0).all()


@pytest.mark.parametrize("count", [0, 1])
def test_a_server_without_lists_has_an_empty_model(count: int) -> None:
    lists = make_lists(1)
    none = replace(lists, users=lists.users[:0], titles=lists.titles[:0], scores=lists.scores[:0],
                   statuses=lists.statuses[:0])  # fmt: skip
    size = len(CATALOGUE.titles)
    inputs, targets = matrices(lists if count else none, size)
    model = Model.unpack(assemble(fit(inputs, targets, CATALOGUE.franchises), CATALOGUE).pack())
    assert rank(model, taste(model, liking(0)), None).titles == []
    assert similar(targets, CATALOGUE).scores.max() > 0
