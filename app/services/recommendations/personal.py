"""A user's recommendations as they are cached between requests."""

from collections.abc import Sequence

import numpy as np

from app.repositories.recommendations import UserList
from app.schemas.domain.recommendations import RATING_STATUSES, RecommendationSpec, Recommended
from app.services.recommendations.fitted import Model
from app.services.recommendations.ranking import Ranking, Taste, diversify, rank

_NUMBERS = {status: number for number, status in enumerate(RATING_STATUSES)}


class Personal:
    """Recommended titles in order; ``others``, from outside the model, come last."""

    def __init__(self, ranking: Ranking | None, others: Sequence[Recommended] = ()) -> None:
        self._ranking = ranking
        self._known = 0 if ranking is None else len(ranking.titles)
        self._others = others

    def __len__(self) -> int:
        return self._known + len(self._others)

    def followed_by(self, others: Sequence[Recommended]) -> "Personal":
        """A copy with those of ``others`` appended that it does not contain."""
        known = set() if self._ranking is None else title_ids(self._ranking)
        return Personal(self._ranking, [one for one in others if one.anime_id not in known])

    def is_ready(self, start: int, end: int) -> bool:
        """Whether :meth:`select` takes microseconds for this range, because its reasons are known."""
        return self._ranking is None or self._ranking.has_picks(start, end)

    def select(self, start: int, end: int) -> list[Recommended]:
        """The recommendations in this range with their reasons; takes some milliseconds the first time."""
        rest = list(self._others[max(start - self._known, 0) : max(end - self._known, 0)])
        if self._ranking is None:
            return rest
        ids = self._ranking.model.titles
        return [
            Recommended(
                int(ids[pick.title]),
                pick.part,
                "liked" if pick.is_liked else "listed",
                tuple(int(ids[title]) for title in pick.because),
            )
            for pick in self._ranking.picks(start, end)
        ] + rest


def rank_for_list(model: Model, own: UserList, wanted: RecommendationSpec) -> Ranking:
    """Rank the titles for a list with the model."""
    taste = Taste.of(
        model,
        np.array(own.anime_ids, np.int64),
        np.array(own.scores, np.float32) / 10,
        np.array([_NUMBERS[status] for status in own.statuses], np.int8),
        unwanted=np.array(own.unwanted, np.int64),
        sfw=wanted.sfw,
    )
    return diversify(model, rank(model, taste, wanted.mode), wanted.diversity)


def title_ids(ranking: Ranking) -> set[int]:
    """The ids of all ranked titles."""
    return set(ranking.model.titles[np.array(ranking.titles, np.intp)].tolist())
