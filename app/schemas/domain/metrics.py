"""Metrics that are counted in PostgreSQL."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JobFigure:
    """The number of jobs of a kind in a state; ``waits`` is the age in seconds of the longest overdue one."""

    kind: str
    status: str
    count: int
    waits: float
