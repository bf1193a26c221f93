"""Figures that are counted in PostgreSQL."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JobFigure:
    """How many jobs of a kind are in a state; ``waits`` is the age in seconds of the longest overdue one."""

    kind: str
    status: str
    count: int
    waits: float
