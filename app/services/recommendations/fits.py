"""The complete training run, from packed lists and catalogue to the packed model and similar titles."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from app.services.recommendations.fitted import Array, Groups
from app.services.recommendations.packing import pack, unpack
from app.services.recommendations.training import (
    Catalogue,
    Lists,
    Similar,
    assemble,
    fit,
    matrices,
    similar,
)


def pack_work(catalogue: Catalogue, lists: Lists) -> bytes:
    return pack({**_named("catalogue", catalogue), **_named("lists", lists)})


def fit_packed(work: bytes) -> bytes:
    """Train; the result is packed arrays.

    ``model`` is the packed model, ``learned`` the number of titles it was trained on, the others are
    :class:`Similar`.
    """
    given = unpack(work)
    catalogue, lists = _read(Catalogue, "catalogue", given), _read(Lists, "lists", given)
    inputs, targets = matrices(lists, len(catalogue.titles))
    fitted = fit(inputs, targets, catalogue.franchises)
    model = np.frombuffer(assemble(fitted, catalogue).pack(), np.uint8)
    return pack(
        {
            "model": model,
            "learned": np.array(len(fitted.warm)),
            **_named("similar", similar(targets, catalogue)),
        }
    )


def unpack_similar(result: Mapping[str, Array]) -> list[tuple[int, list[int], list[float], list[float]]]:
    """For each title: its id, the most similar titles, their scores, and the part due to common lists."""
    found: Similar = _read(Similar, "similar", result)
    columns = (found.titles, found.similar, found.scores, found.together)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return list(rows)


def _named(prefix: str, parts: Any) -> dict[str, Array]:
    named: dict[str, Array] = {}
    for field in fields(parts):
        value = getattr(parts, field.name)
        name = f"{prefix}.{field.name}"
        named |= _named(name, value) if isinstance(value, Groups) else {name: value}
    return named


def _read(kind: Any, prefix: str, arrays: Mapping[str, Array]) -> Any:
    given = {}
    for field in fields(kind):
        name = f"{prefix}.{field.name}"
        given[field.name] = arrays[name] if name in arrays else _read(Groups, name, arrays)
    return kind(**given)
