"""Baselines for the evaluation of recommendations: popularity, favourite genres, item-kNN and EASE^R."""

from collections.abc import Callable

import numpy as np
from scipy import sparse

from app.services.recommendations import entries
from app.services.recommendations.evaluation import Score
from app.services.recommendations.fitted import Array
from app.services.recommendations.fitting import Floats, inverse
from app.services.recommendations.training import Catalogue, Lists, Matrix

EASE_RIDGES = {"all": 100.0, "series": 500.0}
_FAVOURITES = 5  # genres of a list that are used
_NEAREST = 5  # neighbours of each title
_SHRINKAGE = 10.0
_KNOWN = 5  # lists that must like a title before item-kNN and EASE^R use it


def by_title(scores: Callable[[Matrix], Array]) -> Score:
    """Adapt a function of a matrix of liked titles (rows are lists) to a :data:`Score` of titles."""

    def score(left: Lists, lists: Array, size: int) -> Array:
        return scores(profiles(left, lists, size))

    return score


def profiles(left: Lists, lists: Array, size: int) -> Matrix:
    """A matrix with a row per list, 1 for each remaining liked title; ``lists`` are consecutive numbers."""
    mine = np.isin(left.users, lists) & entries.liked(left.scores, left.statuses)
    rows = left.users[mine] - lists[0]
    ones = np.ones(len(rows), np.float32)
    return sparse.csr_matrix((ones, (rows, left.titles[mine])), (len(lists), size))


def popularity(targets: Matrix) -> Score:
    likes = np.asarray(targets.sum(axis=0)).ravel()
    return by_title(lambda liked: np.broadcast_to(likes, liked.shape))


def genres(catalogue: Catalogue, ratings: Array) -> Score:
    """The first version of the recommendations: the list's five most frequent genres, by mean score."""
    size = len(catalogue.titles)
    width = max(int(catalogue.tags.members.max(initial=-1)) + 1, 1)
    ones = np.ones(len(catalogue.tags.members), np.float32)
    tags = sparse.csr_matrix((ones, catalogue.tags.members, catalogue.tags.ends), (size, width))

    def scores(liked: Matrix) -> Array:
        counts = (liked @ tags).toarray()
        favourites = np.zeros_like(counts)
        np.put_along_axis(favourites, np.argsort(-counts, axis=1, kind="stable")[:, :_FAVOURITES], 1, 1)
        has_one = (tags @ (favourites * (counts > 0)).T).T > 0
        return np.where(has_one, ratings, -1.0)

    return by_title(scores)


def item_knn(targets: Matrix) -> Score:
    """The five nearest neighbours of each title by cosine similarity, damped for titles on few lists."""
    likes = np.asarray(targets.sum(axis=0)).ravel()
    known = np.flatnonzero(likes >= _KNOWN)
    within = targets[:, known].tocsc()
    near = (within.T @ within).toarray()
    near /= np.sqrt(np.outer(likes[known], likes[known])) + _SHRINKAGE
    np.fill_diagonal(near, 0)
    if len(known) > _NEAREST:
        near[near < np.partition(near, -_NEAREST, axis=0)[-_NEAREST]] = 0
    return _of_known(sparse.csr_matrix(near), known)


def ease(targets: Matrix, ridge: float) -> Score:
    """Embarrassingly shallow autoencoder (Steck 2019): linear, in closed form, and a strong baseline."""
    known = np.flatnonzero(np.asarray(targets.sum(axis=0)).ravel() >= _KNOWN)
    within = targets[:, known]
    precision = inverse((within.T @ within).toarray(), ridge, 0.0)
    weights: Floats = np.divide(-precision, np.diag(precision), dtype=np.float32)
    np.fill_diagonal(weights, 0)
    return _of_known(weights, known)


def _of_known(weights: Matrix, known: Array) -> Score:
    def scores(liked: Matrix) -> Array:
        found = np.full(liked.shape, -1e3, np.float32)
        product = liked[:, known] @ weights
        found[:, known] = product.toarray() if sparse.issparse(product) else product
        return found

    return by_title(scores)
