"""What an entry of a list says about its title: how much it counts, and whether the title was liked."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.schemas.domain.recommendations import RATING_STATUSES

_COMPLETED, _DROPPED, _PLANNED = map(RATING_STATUSES.index, ("completed", "dropped", "plan_to_watch"))
_LIKED_FROM = 7.0  # of 10
_DISLIKED_TO = 4.0

Numbers = NDArray[Any]


def liked(scores: Numbers, statuses: Numbers) -> NDArray[np.bool_]:
    """Scored 7 or more of 10, or completed without a score, which is 0 here."""
    good: NDArray[np.bool_] = (scores >= _LIKED_FROM) | ((scores == 0) & (statuses == _COMPLETED))
    return good


def is_completed(statuses: Numbers) -> NDArray[np.bool_]:
    completed: NDArray[np.bool_] = statuses == _COMPLETED
    return completed


def weights(scores: Numbers, statuses: Numbers) -> NDArray[np.float32]:
    """How much each entry speaks for titles like its own: 1 for a liked one, below 0 for a disliked one.

    That a title was watched at all says much of what else is; hence half for the middling ones. The
    numbers were chosen on lists kept apart for that.
    """
    good = liked(scores, statuses)
    weight = np.full(len(scores), 0.5, np.float32)
    weight[statuses == _PLANNED] = 0.2
    weight[((scores > 0) & (scores <= _DISLIKED_TO)) | ((statuses == _DROPPED) & ~good)] = -0.3
    weight[good] = 1.0
    return weight


def training_weights(scores: Numbers, statuses: Numbers) -> NDArray[np.float32]:
    """The same for fitting, where nothing is below 0: a disliked title, too, was chosen by somebody."""
    weight = weights(scores, statuses)
    weight[weight < 0] = 0.5
    weight[(statuses == _DROPPED) & (weight < 1)] = 0.3
    return weight
