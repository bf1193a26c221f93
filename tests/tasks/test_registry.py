"""Every kind of job has a handler."""

from app.schemas.jobs import JOBS, Job
from app.tasks import HANDLERS


def ours(kinds: dict[str, type[Job]]) -> set[type[Job]]:
    """The jobs without those defined by tests."""
    return {kind for kind in kinds.values() if kind.__module__.startswith("app.")}


def test_every_kind_of_job_has_a_handler() -> None:
    assert ours(JOBS)
    assert ours(JOBS) <= set(HANDLERS)


def test_names_and_limits_are_sane() -> None:
    for name, kind in JOBS.items():
        assert name == kind.name
        assert kind.timeout > 0
        assert kind.max_attempts >= 1
