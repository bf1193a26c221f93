"""Two item-item models from many lists: "go on with" (title to title) and "discover" (title to franchise)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class ContinueSettings:
    """Of the title-to-title model; all were chosen on lists kept apart for that."""

    evenness: float = 0.3  # how much less each further title of a long list counts
    ridge: float = 50.0
    dropout: float = 0.3  # share of a list that the model learns to do without
    neighbours: int = 150  # kept for each title
    refit_ridge: float = 3.0
    refit_dropout: float = 0.1


@dataclass(frozen=True)
class DiscoverSettings:
    """Of the title-to-franchise model."""

    ridge: float = 200.0
    dropout: float = 0.5
    neighbours: int = 1000


def fit_continue(
    inputs: "sparse.csr_matrix[Any]", targets: "sparse.csr_matrix[Any]", settings: ContinueSettings
) -> "sparse.csc_matrix[Any]":
    """Weights of listed titles (rows) for titles to watch (columns), all of them positive.

    ``inputs`` says how much each entry of each list counts, ``targets`` what was liked; lists are rows.
    A dense regression that has to do without the title itself finds the neighbours of each title,
    a second one on these alone finds their weights.
    """
    weights = _list_weights(targets, settings.evenness)
    weighted = sparse.diags(weights.astype(np.float32)) @ inputs
    gram = (inputs.T @ weighted).toarray().astype(np.float32)
    aims = (weighted.T @ targets).toarray().astype(np.float32)
    dense = _without_itself(gram, aims, settings)
    return _refit(dense, gram, aims, settings)


def _list_weights(targets: "sparse.csr_matrix[Any]", evenness: float) -> NDArray[np.float64]:
    counts = np.diff(targets.indptr).astype(float)
    weights = np.where(counts > 0, (np.maximum(counts, 1) / max(counts.mean(), 1e-9)) ** -evenness, 0.0)
    total = (weights * counts).sum()
    return weights * (counts.sum() / total) if total else weights


def _without_itself(gram: Floats, aims: Floats, settings: ContinueSettings) -> Floats:
    precision = inverse(gram, settings.ridge, settings.dropout)
    weights: Floats = precision @ aims
    weights -= precision * (np.diag(weights) / np.diag(precision)).astype(np.float32)
    np.fill_diagonal(weights, 0.0)
    return weights


def inverse(gram: Floats, ridge: float, dropout: float) -> Floats:
    """The inverse of a Gram matrix with a penalty for each title, in place of a copy of ``gram``."""
    lower = gram.copy(order="F")
    lower[np.diag_indices_from(lower)] += ridge + dropout / (1 - dropout) * np.diag(gram)
    factor, failed = linalg.lapack.spotrf(lower, lower=1, overwrite_a=1)
    solved, failed_too = linalg.lapack.spotri(factor, lower=1, overwrite_c=1)
    if failed or failed_too:
        raise ArithmeticError("The lists are too uniform to be solved for.")
    whole: Floats = np.tril(solved)
    whole += np.tril(solved, -1).T
    return whole


def _refit(dense: Floats, gram: Floats, aims: Floats, settings: ContinueSettings) -> "sparse.csc_matrix[Any]":
    size = len(gram)
    ridge = settings.refit_ridge + settings.refit_dropout / (1 - settings.refit_dropout) * np.diag(gram)
    rows, values, ends = [], [], [0]
    for column in range(size):
        kept = _largest(dense[:, column], settings.neighbours)
        kept, solved = _solve_positive(gram, aims[:, column], ridge, kept)
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
    gram: Floats, aim: Floats, ridge: NDArray[Any], kept: NDArray[np.intp]
) -> tuple[NDArray[np.intp], Floats]:
    """Least squares on these rows; the ones that came out negative are left out, and it is solved again."""
    solved = np.zeros(0, np.float32)
    for _ in range(6):
        if not len(kept):
            return kept, np.zeros(0, np.float32)
        part = gram[np.ix_(kept, kept)]
        part[np.diag_indices_from(part)] += ridge[kept]
        _, solved, _ = linalg.lapack.sposv(part, aim[kept], lower=1, overwrite_a=1)
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
    """Weights of listed titles (rows) for franchises (columns) that the list has nothing of.

    ``franchises`` is the number of each title's franchise, 0 and up without gaps. A franchise is
    liked where any of its titles is; its own titles say nothing about it.
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
        own = np.linalg.solve(precision[np.ix_(members, members)], weights[members, franchise])
        weights[:, franchise] -= precision[:, members] @ own
        weights[members, franchise] = 0
    return weights
