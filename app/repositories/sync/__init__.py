"""SQL of the two-way sync: linked accounts, snapshots of entries, conflicts."""

from app.repositories.sync.conflicts import ConflictRepository
from app.repositories.sync.links import LinkRepository, ServiceLink
from app.repositories.sync.snapshots import NewSnapshot, PendingEntry, SnapshotRepository, StoredSnapshot

__all__ = [
    "ConflictRepository",
    "LinkRepository",
    "NewSnapshot",
    "PendingEntry",
    "ServiceLink",
    "SnapshotRepository",
    "StoredSnapshot",
]
