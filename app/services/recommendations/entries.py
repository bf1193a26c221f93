"""What a list entry says about its title: its weight, and whether the title was liked."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.schemas.domain.recommendations import RATING_STATUSES

_COMPLETED, _DROPPED, _PLANNED = map(RATING_STATUSES.index, ("completed", "dropped", "plan_to_watch"))
_LIKED_FROM = 7.0  # of 10
_DISLIKED_TO = 4.0

Numbers = NDArray[Any]


def liked(scores: Numbers, statuses: Numbers) -> NDArray[np.bool_]:
    """True for a score of at least 7 of 10, or a completed title without a score (0)."""
    good: NDArray[np.bool_] = (scores >= _LIKED_FROM) | ((scores == 0) & (statuses == _COMPLETED))
    return good


def is_completed(statuses: Numbers) -> NDArray[np.bool_]:
    completed: NDArray[np.bool_] = statuses == _COMPLETED
    return completed


def weights(scores: Numbers, statuses: Numbers) -> NDArray[np.float32]:
    """The weight of each entry in a prediction: 1 if liked, 0.5 in between, 0.2 if planned, -0.3 if disliked.

    Choosing a title says much about a user's taste even if it was not liked, hence 0.5. The numbers were
    tuned on a validation set of lists.
    """
    good = liked(scores, statuses)
    weight = np.full(len(scores), 0.5, np.float32)
    weight[statuses == _PLANNED] = 0.2
    weight[((scores > 0) & (scores <= _DISLIKED_TO)) | ((statuses == _DROPPED) & ~good)] = -0.3
    weight[good] = 1.0
    return weight


def training_weights(scores: Numbers, statuses: Numbers) -> NDArray[np.float32]:
    """The weights for training, which are never negative: a disliked title was chosen by its user too."""
    weight = weights(scores, statuses)
    weight[weight < 0] = 0.5
    weight[(statuses == _DROPPED) & (weight < 1)] = 0.3
    return weight
