"""Train two item-item models from lists: "continue" (title to title), "discover" (title to franchise)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class ContinueSettings:
    """Hyperparameters of the title-to-title model, tuned on a validation set of lists."""

    evenness: float = 0.3  # exponent by which the weight of a list falls with its length
    ridge: float = 50.0
    dropout: float = 0.3  # share of entries dropped at random in training, in closed form
    neighbours: int = 150  # maximum number of neighbours of each title
    refit_ridge: float = 3.0
    refit_dropout: float = 0.1


@dataclass(frozen=True)
class DiscoverSettings:
    """Hyperparameters of the title-to-franchise model."""

    ridge: float = 200.0
    dropout: float = 0.5
    neighbours: int = 2000


def fit_continue(
    inputs: "sparse.csr_matrix[Any]", targets: "sparse.csr_matrix[Any]", settings: ContinueSettings
) -> "sparse.csc_matrix[Any]":
    """Weights from listed titles (rows) to titles to watch (columns), all positive.

    ``inputs`` has the weight of each entry, ``targets`` 1 for liked titles; rows are lists. First a dense
    ridge regression that may not predict a title from itself finds the neighbours of each title; then a
    second regression on these alone finds their weights.
    """
    weights = _list_weights(targets, settings.evenness)
    weighted = sparse.diags(weights.astype(np.float32)) @ inputs
    gram = (inputs.T @ weighted).toarray().astype(np.float32)
    cross = (weighted.T @ targets).toarray().astype(np.float32)
    dense = _fit_without_diagonal(gram, cross, settings)
    return _refit(dense, gram, cross, settings)


def _list_weights(targets: "sparse.csr_matrix[Any]", evenness: float) -> NDArray[np.float64]:
    counts = np.diff(targets.indptr).astype(float)
    weights = np.where(counts > 0, (np.maximum(counts, 1) / max(counts.mean(), 1e-9)) ** -evenness, 0.0)
    total = (weights * counts).sum()
    return weights * (counts.sum() / total) if total else weights


def _fit_without_diagonal(gram: Floats, cross: Floats, settings: ContinueSettings) -> Floats:
    precision = inverse(gram, settings.ridge, settings.dropout)
    weights: Floats = precision @ cross
    # The Lagrange multipliers of the constraint that the diagonal is zero, as in EASE^R.
    weights -= precision * (np.diag(weights) / np.diag(precision)).astype(np.float32)
    np.fill_diagonal(weights, 0.0)
    return weights


def inverse(gram: Floats, ridge: float, dropout: float) -> Floats:
    """The inverse of a Gram matrix with a ridge penalty for each title.

    Works in place on a copy. Raises :class:`ArithmeticError` if the matrix is singular.
    """
    if not len(gram):
        return gram
    lower = gram.copy(order="F")
    # Dropout in closed form: a penalty in proportion to the diagonal.
    lower[np.diag_indices_from(lower)] += ridge + dropout / (1 - dropout) * np.diag(gram)
    factor, failed = linalg.lapack.spotrf(lower, lower=1, overwrite_a=1)
    solved, inversion_failed = linalg.lapack.spotri(factor, lower=1, overwrite_c=1)
    if failed or inversion_failed:
        raise ArithmeticError("The lists are too uniform to train a model.")
    whole: Floats = np.tril(solved)
    whole += np.tril(solved, -1).T
    return whole


def _refit(
    dense: Floats, gram: Floats, cross: Floats, settings: ContinueSettings
) -> "sparse.csc_matrix[Any]":
    size = len(gram)
    ridge = settings.refit_ridge + settings.refit_dropout / (1 - settings.refit_dropout) * np.diag(gram)
    rows, values, ends = [], [], [0]
    for column in range(size):
        kept = _largest(dense[:, column], settings.neighbours)
        kept, solved = _solve_positive(gram, cross[:, column], ridge, kept)
        rows.append(kept)
        values.append(solved)
        ends.append(ends[-1] + len(kept))
    if not rows:
        return sparse.csc_matrix((size, size), dtype=np.float32)
    return sparse.csc_matrix((np.concatenate(values), np.concatenate(rows), ends), shape=(size, size))


def _largest(column: Floats, count: int) -> NDArray[np.intp]:
    if len(column) > count:
        kept = np.argpartition(-column, count)[:count]
        return np.sort(kept[column[kept] > 0])
    return np.flatnonzero(column > 0)


def _solve_positive(
    gram: Floats, target: Floats, ridge: NDArray[Any], kept: NDArray[np.intp]
) -> tuple[NDArray[np.intp], Floats]:
    """Approximate non-negative least squares: drop the negative rows and solve again, up to six times."""
    solved = np.zeros(0, np.float32)
    for _ in range(6):
        if not len(kept):
            return kept, np.zeros(0, np.float32)
        part = gram[np.ix_(kept, kept)]
        part[np.diag_indices_from(part)] += ridge[kept]
        _, solved, _ = linalg.lapack.sposv(part, target[kept], lower=1, overwrite_a=1)
        good = solved > 0
        if good.all():
            return kept, solved
        kept, solved = kept[good], solved[good]
    return kept, solved


def fit_discover(
    inputs: "sparse.csr_matrix[Any]",
    targets: "sparse.csr_matrix[Any]",
    franchises: NDArray[np.intp],
    settings: DiscoverSettings,
) -> Floats:
    """Weights from listed titles (rows) to franchises (columns) of which the list has no title.

    ``franchises`` is the franchise number of each title, from 0 without gaps. A franchise is liked if one of
    its titles is; its own titles must not predict it.
    """
    size, count = len(franchises), int(franchises.max(initial=-1)) + 1
    belongs = sparse.csr_matrix((np.ones(size, np.float32), (np.arange(size), franchises)), (size, count))
    liked = (targets @ belongs).tocsr()
    liked.data[:] = 1
    gram = (inputs.T @ inputs).toarray().astype(np.float32)
    precision = inverse(gram, settings.ridge, settings.dropout)
    del gram
    weights: Floats = precision @ (inputs.T @ liked).toarray().astype(np.float32)
    order = np.argsort(franchises, kind="stable")
    for members in np.split(order, np.cumsum(np.bincount(franchises, minlength=count))[:-1]):
        franchise = franchises[members[0]]
        # The constraint of zero for all titles of the franchise at once.
        own = np.linalg.solve(precision[np.ix_(members, members)], weights[members, franchise])
        weights[:, franchise] -= precision[:, members] @ own
        weights[members, franchise] = 0
    return weights
