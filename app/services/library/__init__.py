"""A user's list. All writes go through one engine, whether for one entry or five hundred."""

from app.repositories.library import EntryShape, ItemFilter, ListFilter
from app.services.library.library import LibraryService
from app.services.library.rules import ProgressAboveTotal
from app.services.library.writer import (
    AlreadyOnList,
    NotOnList,
    Operation,
    Outcome,
    StaleVersion,
    Target,
    UnknownTitle,
    apply,
)

__all__ = [
    "AlreadyOnList",
    "EntryShape",
    "ItemFilter",
    "LibraryService",
    "ListFilter",
    "NotOnList",
    "Operation",
    "Outcome",
    "ProgressAboveTotal",
    "StaleVersion",
    "Target",
    "UnknownTitle",
    "apply",
]
