"""Requests, results and evaluation of recommendations."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from app.schemas.domain.catalogue import ANIME_KEYS

RecommendationMode = Literal["discover", "continue", "all"]
Algorithm = Literal["model", "genres"]
RATING_STATUSES = ("", "completed", "watching", "on_hold", "dropped", "plan_to_watch")
"""Large sets of entries store the index in this tuple; the first means no status."""

Because = Literal["liked", "listed", "popular", "new"]
"""Why a title is recommended: liked titles, other titles on the list, popularity, or being new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendationSpec:
    """Parameters of recommendations.

    Without a ``mode``, some titles to continue come first, then new ones.
    """

    mode: RecommendationMode | None = None
    algo: Algorithm = "model"
    diversity: float = 0.0
    sfw: bool = False
    limit: int = 10
    offset: int = 0
    keys: tuple[str, ...] = ANIME_KEYS


@dataclass(frozen=True, slots=True)
class Recommended:
    """A title to show, by id, and the titles on the list that it is based on."""

    anime_id: int
    part: Literal["continue", "discover"]
    why: Because
    because: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Stamp:
    """The versions of everything recommendations depend on: the model, the list, the ignored titles."""

    model_id: int | None
    listed_at: datetime | None
    deleted_at: datetime | None
    ignored: int
    ignored_at: datetime | None


Setting = Literal["all", "series"]
"""What the evaluation predicts: titles that are hidden from the list, or whole franchises."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Means over the lists, with the 95 % confidence interval of the NDCG.

    ``coverage`` is the share of the catalogue that was recommended to anyone.
    """

    ndcg: float
    low: float
    high: float
    recall: float
    coverage: float
    lists: int


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """Results by setting and method, for ten recommendations per list."""

    train_lists: int
    test_lists: int
    titles: int
    franchises: int
    results: dict[Setting, dict[str, Measured]]

    def as_json(self) -> dict[str, Any]:
        counts = {name: getattr(self, name) for name in ("train_lists", "test_lists", "titles", "franchises")}
        return counts | {
            setting: {method: _figures(one) for method, one in methods.items()}
            for setting, methods in self.results.items()
        }

    def as_table(self) -> str:
        lines = [
            f"{self.train_lists} training lists, {self.test_lists} test lists; {self.titles} titles of "
            f"{self.franchises} franchises"
        ]
        for setting, methods in self.results.items():
            lines += ["", f"{setting:24}{'NDCG@10':>10}{'95 %':>18}{'Recall@10':>12}{'coverage':>10}"]
            lines += [
                f"{method:24}{one.ndcg:10.4f}{one.low:11.4f}-{one.high:.4f}{one.recall:12.4f}{one.coverage:10.2%}"
                for method, one in methods.items()
            ]
        return "\n".join(lines)


def _figures(one: Measured) -> dict[str, float]:
    return {
        "ndcg@10": round(one.ndcg, 4),
        "ndcg@10_low": round(one.low, 4),
        "ndcg@10_high": round(one.high, 4),
        "recall@10": round(one.recall, 4),
        "coverage": round(one.coverage, 4),
        "lists": one.lists,
    }


@dataclass(frozen=True, slots=True)
class FitSummary:
    """The data a model was fitted from, and its size in bytes."""

    lists: int
    entries: int
    titles: int
    learned: int
    size: int
    seconds: float
