"""List entries in PostgreSQL: writes, pages, history."""

from app.repositories.library.changes import ChangeRepository, NewChange
from app.repositories.library.edits import EditRepository
from app.repositories.library.entries import EntryRepository, NewEntry
from app.repositories.library.locks import lock_lists
from app.repositories.library.marks import MarkRepository
from app.repositories.library.matches import Match, MatchRepository
from app.repositories.library.named_titles import NamedTitle, NamedTitleRepository
from app.repositories.library.pages import (
    LIST_SORTS,
    EntryPage,
    EntryPages,
    EntryShape,
    ItemFilter,
    ListFilter,
)

__all__ = [
    "LIST_SORTS",
    "ChangeRepository",
    "EditRepository",
    "EntryPage",
    "EntryPages",
    "EntryRepository",
    "EntryShape",
    "ItemFilter",
    "ListFilter",
    "MarkRepository",
    "Match",
    "MatchRepository",
    "NamedTitle",
    "NamedTitleRepository",
    "NewChange",
    "NewEntry",
    "lock_lists",
]
