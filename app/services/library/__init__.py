"""A person's list: every write to it goes through one engine, one entry or five hundred at a time."""

from app.repositories.library import ItemFilter, ListFilter
from app.services.library.desk import (
    AlreadyOnList,
    NotOnList,
    Operation,
    Outcome,
    Target,
    UnknownTitle,
    apply,
)
from app.services.library.library import LibraryService
from app.services.library.rules import ProgressAboveTotal

__all__ = [
    "AlreadyOnList",
    "ItemFilter",
    "LibraryService",
    "ListFilter",
    "NotOnList",
    "Operation",
    "Outcome",
    "ProgressAboveTotal",
    "Target",
    "UnknownTitle",
    "apply",
]
