"""A person's list: every write to it goes through one engine, one entry or five hundred at a time."""

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
