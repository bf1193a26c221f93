"""From lists and the catalogue to a model: "continue", "discover", and similar titles."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from app.services.recommendations import entries
from app.services.recommendations.fitted import ADULT, Array, Groups, Model, Rows
from app.services.recommendations.fitting import (
    ContinueSettings,
    DiscoverSettings,
    Floats,
    fit_continue,
    fit_discover,
)

_MIN_LIKES = 5  # lists that must like a title before it is used in training
_MAX_TITLES = 8000  # titles used in training; time and memory grow with the square
_NEIGHBOURS = 20
_MAX_SIMILAR = 60  # similar titles stored for each; some are filtered out when they are shown
_BLOCK = 1000  # rows of a dense product computed at a time
_MAX_RARE = 5000  # titles on few lists for which similar ones are computed
_COMMON_WEIGHT = 0.75  # weight of common lists in the similarity; the rest is genres and studios
_SHRINKAGE = 20.0  # shrinkage of the similarity of titles on few lists

Matrix = Any  # sparse.csr_matrix; SciPy has no type hints


@dataclass(frozen=True)
class Catalogue:
    """Facts about all titles, in ascending order of their ids.

    ``franchises`` are numbered from 0 without gaps; ``preceding`` are pairs of title numbers, the second to
    be completed before the first.
    """

    titles: Array
    franchises: Array
    flags: Array
    members: Array
    tags: Groups
    studios: Groups
    preceding: Array


@dataclass(frozen=True)
class Lists:
    """Entries of all lists, as columns: list number, title number, score 0 to 10 (0 is none), status."""

    users: Array
    titles: Array
    scores: Array
    statuses: Array

    @property
    def count(self) -> int:
        return int(self.users.max(initial=-1)) + 1


@dataclass(frozen=True)
class Similar:
    """Title ids, and for each the ids of the most similar titles, best first, with scores of 0 to 1.

    ``together`` is the part of the score due to common lists.
    """

    titles: Array
    similar: Array
    scores: Array
    together: Array


@dataclass(frozen=True)
class Fitted:
    """The trained weights of the ``warm`` titles, which are numbers in the catalogue."""

    warm: Array
    continuing: Matrix
    discovering: Floats
    franchises: Array
    """The franchise numbers of the columns of ``discovering``."""


def matrices(lists: Lists, size: int) -> tuple[Matrix, Matrix]:
    """The weights of all entries, and 1 for each liked title; each row is a list."""
    good = entries.liked(lists.scores, lists.statuses)
    weights = entries.training_weights(lists.scores, lists.statuses)
    shape = (lists.count, size)
    inputs = sparse.csr_matrix((weights, (lists.users, lists.titles)), shape)
    ones = np.ones(int(good.sum()), np.float32)
    return inputs, sparse.csr_matrix((ones, (lists.users[good], lists.titles[good])), shape)


def fit(
    inputs: Matrix,
    targets: Matrix,
    franchises: Array,
    continuing: ContinueSettings | None = None,
    discovering: DiscoverSettings | None = None,
) -> Fitted:
    """Train both models on the titles that at least five lists like, at most the 8,000 most liked."""
    liked_by = np.asarray(targets.sum(axis=0)).ravel()
    warm = np.flatnonzero(liked_by >= _MIN_LIKES)
    if len(warm) > _MAX_TITLES:
        warm = np.sort(warm[np.argsort(-liked_by[warm], kind="stable")[:_MAX_TITLES]])
    if not len(warm):
        none = np.zeros((0, 0), np.float32)
        return Fitted(warm, sparse.csc_matrix(none), none, warm)
    known, columns = np.unique(franchises[warm], return_inverse=True)
    inputs, targets = inputs[:, warm].tocsr(), targets[:, warm].tocsr()
    return Fitted(
        warm,
        fit_continue(inputs, targets, continuing or ContinueSettings()),
        fit_discover(inputs, targets, columns, discovering or DiscoverSettings()),
        known,
    )


def assemble(fitted: Fitted, catalogue: Catalogue, settings: DiscoverSettings | None = None) -> Model:
    """Build the served model, which covers every title of the catalogue."""
    size = len(catalogue.titles)
    popularity = catalogue.members.astype(np.float32)
    by_popularity = np.argsort(-popularity, kind="stable")
    warm = np.zeros(size, bool)
    warm[fitted.warm] = True
    cold, neighbours = _neighbours_of_cold(catalogue, warm)
    return Model(
        titles=catalogue.titles.astype(np.int32),
        franchises=catalogue.franchises.astype(np.int32),
        flags=catalogue.flags.astype(np.uint8),
        popularity=popularity,
        members=Groups.from_pairs(
            catalogue.franchises[by_popularity],
            by_popularity.astype(np.int32),
            int(catalogue.franchises.max(initial=-1)) + 1,
        ),
        preceding=Groups.from_pairs(
            catalogue.preceding[:, 0], catalogue.preceding[:, 1].astype(np.int32), size
        ),
        tags=catalogue.tags,
        continuing=_quantized_continuing(fitted, catalogue, warm),
        discovering=_quantized_discovering(fitted, catalogue, (settings or DiscoverSettings()).neighbours),
        cold=cold.astype(np.int32),
        neighbours=neighbours.astype(np.int32),
    )


def _quantized_continuing(fitted: Fitted, catalogue: Catalogue, warm: Array) -> Rows:
    """The trained weights; cold titles get the mean weight from a predecessor to its successor."""
    size = len(catalogue.titles)
    found = fitted.continuing.tocoo()
    rows, columns, values = fitted.warm[found.row], fitted.warm[found.col], found.data
    after, before = catalogue.preceding.T
    learned = sparse.csr_matrix((values, (rows, columns)), (size, size))
    known = warm[after] & warm[before]
    usual = float(np.asarray(learned[before[known], after[known]]).mean()) if known.any() else 0.0
    new = ~warm[after]
    rows = np.concatenate([rows, before[new]])
    columns = np.concatenate([columns, after[new]])
    values = np.concatenate([values, np.full(int(new.sum()), usual, np.float32)])
    return _quantized(rows, columns, values, (size, size), 255, np.uint8)


def _quantized_discovering(fitted: Fitted, catalogue: Catalogue, kept: int) -> Rows:
    """The weights of largest magnitude for each franchise."""
    dense = fitted.discovering
    size = int(catalogue.franchises.max(initial=-1)) + 1
    if len(dense) > kept:
        bar = np.partition(np.abs(dense), len(dense) - kept, axis=0)[len(dense) - kept]
        rows, columns = np.nonzero(np.abs(dense) >= bar)
    else:
        rows, columns = np.nonzero(dense)
    shape = (len(catalogue.titles), size)
    return _quantized(
        fitted.warm[rows], fitted.franchises[columns], dense[rows, columns], shape, 127, np.int8
    )


def _quantized(
    rows: Array, columns: Array, values: Array, shape: tuple[int, int], largest: int, kind: Any
) -> Rows:
    scales = np.zeros(shape[1], np.float32)
    np.maximum.at(scales, columns, np.abs(values).astype(np.float32))
    scales /= largest
    whole = np.rint(values / np.where(scales[columns] > 0, scales[columns], 1)).astype(kind)
    rows, columns, whole = rows[whole != 0], columns[whole != 0], whole[whole != 0]
    order = np.lexsort((columns, rows))
    ends = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=shape[0]))]).astype(np.int32)
    narrow = np.uint16 if shape[1] <= np.iinfo(np.uint16).max else np.int32
    return Rows(ends, columns[order].astype(narrow), whole[order], scales)


def content(catalogue: Catalogue) -> Matrix:
    """Vectors of genres, themes, demographics and studios, by inverse frequency, normalised to length 1."""
    parts = [_indicators(catalogue.tags), _indicators(catalogue.studios) * np.float32(0.5)]
    vectors = sparse.hstack(parts, format="csr", dtype=np.float32)
    uses = np.asarray((vectors > 0).sum(axis=0)).ravel()
    vectors = vectors @ sparse.diags(np.log((1 + len(catalogue.titles)) / (1 + uses)).astype(np.float32))
    lengths = np.sqrt(np.asarray(vectors.multiply(vectors).sum(axis=1)).ravel())
    return sparse.diags((1 / np.maximum(lengths, 1e-9)).astype(np.float32)) @ vectors


def _indicators(groups: Groups) -> Matrix:
    width = int(groups.members.max(initial=-1)) + 1
    ones = np.ones(len(groups.members), np.float32)
    return sparse.csr_matrix((ones, groups.members, groups.ends), (len(groups.ends) - 1, max(width, 1)))


def _neighbours_of_cold(catalogue: Catalogue, warm: Array) -> tuple[Array, Array]:
    """The titles without training data, least popular first, and the warm titles most similar to each."""
    known = np.flatnonzero(warm)
    vectors = content(catalogue)
    described = np.diff(vectors.indptr) > 0
    cold = np.flatnonzero(~warm & described & (catalogue.flags == 0))
    cold = cold[np.argsort(catalogue.members[cold], kind="stable")]
    count = min(_NEIGHBOURS, len(known))
    if not count:
        return cold[:0], np.zeros((0, 0), np.int32)
    among = vectors[known].T.tocsc()
    found = [
        known[np.argpartition(-likeness, count - 1, axis=1)[:, :count]]
        for _, likeness in _products(vectors[cold], among)
    ]
    return cold, np.concatenate(found) if found else np.zeros((0, count), np.int32)


def _products(left: Matrix, right: Matrix) -> Iterator[tuple[int, Floats]]:
    """The matrix product in blocks of rows, each with the number of its first row."""
    for start in range(0, left.shape[0], _BLOCK):
        yield start, (left[start : start + _BLOCK] @ right).toarray()


def similar(targets: Matrix, catalogue: Catalogue) -> Similar:
    """Similar titles of other franchises: liked by the same users, and alike in genres and studios.

    Adult titles are only similar to adult titles.
    """
    likes = np.asarray(targets.sum(axis=0)).ravel().astype(np.float32)
    known = _titles_to_compare(catalogue, likes)
    count = min(_MAX_SIMILAR, max(len(known) - 1, 0))
    vectors, columns, likes = content(catalogue)[known], targets[:, known].tocsc(), likes[known]
    popularity = np.log1p(catalogue.members[known].astype(np.float32))
    popularity /= max(float(popularity.max(initial=0)), 1.0)
    franchises, adult = catalogue.franchises[known], catalogue.flags[known] & ADULT
    titles = np.zeros((len(known), count), np.int32)
    scores, together = np.zeros((len(known), count), np.float32), np.zeros((len(known), count), np.float32)
    for start, alike in _products(vectors, vectors.T.tocsc()):
        rows = np.arange(start, start + len(alike))
        shared = (columns[:, rows].T @ columns).toarray()
        shared *= _COMMON_WEIGHT / (np.sqrt(np.outer(likes[rows], likes)) + _SHRINKAGE)
        both = shared + (1 - _COMMON_WEIGHT) * alike * popularity
        both[franchises[rows][:, None] == franchises[None, :]] = 0
        both[adult[rows][:, None] != adult[None, :]] = 0
        best: Array = np.argpartition(-both, count - 1, axis=1)[:, :count] if count else titles[rows]
        values = np.take_along_axis(both, best, 1)
        order = np.argsort(-values, axis=1, kind="stable")
        best, values = np.take_along_axis(best, order, 1), np.take_along_axis(values, order, 1)
        titles[rows], scores[rows] = catalogue.titles[known[best]], np.minimum(values, 1)
        together[rows] = np.take_along_axis(shared, best, 1)
    return Similar(catalogue.titles[known], titles, scores, together)


def _titles_to_compare(catalogue: Catalogue, likes: Array) -> Array:
    """The titles that enough users like, and the best known of the others."""
    shown = (catalogue.flags & ~np.uint8(ADULT)) == 0
    new = np.flatnonzero(shown & (likes < _MIN_LIKES))
    new = new[np.argsort(-catalogue.members[new], kind="stable")[:_MAX_RARE]]
    return np.sort(np.concatenate([np.flatnonzero(shown & (likes >= _MIN_LIKES)), new]))
