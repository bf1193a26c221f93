"""Job handlers: a few lines each; the logic is in the services."""

from app.tasks import accounts, catalogue, jobs, library, recommendations, sync
from app.tasks.registry import HANDLERS, handles, performer

__all__ = [
    "HANDLERS",
    "accounts",
    "catalogue",
    "handles",
    "jobs",
    "library",
    "performer",
    "recommendations",
    "sync",
]
