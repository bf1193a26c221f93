"""The rules of a list entry, as properties over all edits."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.schemas.domain.library import ENTRY_STATUSES, EntryState, Subject
from app.services.library.rules import ProgressAboveTotal, edited, watched

TODAY = "2026-11-21"
DATES = st.sampled_from([None, "2017", "2017-10", "2017-10-03"])
STATUSES = st.sampled_from(ENTRY_STATUSES)
SUBJECTS = st.builds(
    Subject,
    media_type=st.just("anime"),
    anime_id=st.just(1),
    total=st.none() | st.integers(1, 30),
    is_finished=st.booleans(),
)
STATES = st.builds(
    EntryState,
    status=STATUSES,
    progress=st.integers(0, 30),
    max_progress=st.none() | st.integers(1, 30),
    is_rewatching=st.booleans(),
    rewatch_count=st.integers(0, 3),
    started_at=DATES,
    finished_at=DATES,
)
EDITS = st.fixed_dictionaries(
    {},
    optional={
        "status": STATUSES,
        "progress": st.integers(0, 30),
        "max_progress": st.none() | st.integers(1, 30),
        "is_rewatching": st.booleans(),
        "rewatch_count": st.integers(0, 3),
        "started_at": DATES,
        "finished_at": DATES,
        "notes": st.none() | st.text("a %\u3042", max_size=5),
    },
)


def try_edit(before: EntryState | None, sent: dict[str, Any], subject: Subject) -> EntryState | None:
    try:
        return edited(before, sent, subject, TODAY)
    except ProgressAboveTotal:
        return None


@given(STATES, EDITS, SUBJECTS)
def test_explicit_values_are_kept(before: EntryState, sent: dict[str, Any], subject: Subject) -> None:
    after = try_edit(before, sent, subject)
    assert after is None or {name: getattr(after, name) for name in sent} == sent


@given(STATES, EDITS, SUBJECTS)
def test_progress_is_refused_only_above_the_total(
    before: EntryState, sent: dict[str, Any], subject: Subject
) -> None:
    merged = replace(before, **sent)
    total = merged.max_progress or subject.total
    concerned = "progress" in sent or "max_progress" in sent
    refused = try_edit(before, sent, subject) is None
    assert refused == (concerned and total is not None and merged.progress > total)


@given(STATES, EDITS, SUBJECTS)
def test_the_same_edit_twice_changes_nothing_more(
    before: EntryState, sent: dict[str, Any], subject: Subject
) -> None:
    once = try_edit(before, sent, subject)
    if once is not None and "is_rewatching" not in sent:
        assert try_edit(once, sent, subject) == once


@given(STATES, SUBJECTS)
def test_an_edit_of_something_else_moves_neither_status_nor_progress(
    before: EntryState, subject: Subject
) -> None:
    after = edited(before, {"notes": "seen on a train", "score": 85}, subject, TODAY)
    assert after == replace(before, notes="seen on a train", score=85)


@given(STATES, EDITS, SUBJECTS)
def test_rewatches_are_counted_once_and_only_on_completion(
    before: EntryState, sent: dict[str, Any], subject: Subject
) -> None:
    after = try_edit(before, sent, subject)
    if after is None or "rewatch_count" in sent:
        return
    more = after.rewatch_count - before.rewatch_count
    assert more in (0, 1)
    assert more == 0 or (before.is_rewatching and not after.is_rewatching and after.status == "completed")


@given(st.none() | STATES, st.integers(1, 40), SUBJECTS, st.booleans())
def test_watching_never_lowers_and_ends_within_the_total(
    before: EntryState | None, episode: int, subject: Subject, late: bool
) -> None:
    after = watched(before, episode, subject, TODAY, late=late)
    total = after.max_progress or subject.total
    was = before.progress if before else 0
    assert after.progress >= was
    assert after.progress == was or total is None or after.progress <= total
    assert after.status != "plan_to_watch"
    assert late or after.status in ("watching", "completed")
    set_aside_since = late and before is not None and before.status in ("on_hold", "dropped")
    if subject.is_finished and total is not None and episode >= total and not set_aside_since:
        assert (after.status, after.is_rewatching) == ("completed", False)


@given(st.none() | STATES, st.integers(1, 40), SUBJECTS)
def test_the_same_episode_reported_twice_changes_nothing_more(
    before: EntryState | None, episode: int, subject: Subject
) -> None:
    once = watched(before, episode, subject, TODAY)
    assert watched(once, episode, subject, TODAY) == once


FINISHED = Subject(media_type="anime", anime_id=1, total=26, is_finished=True)
AIRING = replace(FINISHED, is_finished=False)


def test_the_last_episode_of_a_finished_title_completes_it() -> None:
    after = edited(EntryState(status="watching", progress=25), {"progress": 26}, FINISHED, TODAY)
    assert (after.status, after.finished_at) == ("completed", TODAY)


def test_the_last_known_episode_of_an_airing_title_does_not() -> None:
    after = edited(EntryState(status="watching", progress=25), {"progress": 26}, AIRING, TODAY)
    assert (after.status, after.finished_at) == ("watching", None)


def test_the_first_episode_starts_a_planned_title() -> None:
    after = edited(EntryState(status="plan_to_watch"), {"progress": 1}, FINISHED, TODAY)
    assert (after.status, after.started_at) == ("watching", TODAY)


def test_completing_counts_every_episode_of_a_finished_title_only() -> None:
    assert edited(None, {"status": "completed"}, FINISHED, TODAY).progress == 26
    assert edited(None, {"status": "completed"}, AIRING, TODAY).progress == 0


def test_the_end_of_a_rewatch_is_counted() -> None:
    before = EntryState(status="watching", progress=25, is_rewatching=True, finished_at="2019")
    after = edited(before, {"progress": 26}, FINISHED, TODAY)
    assert (after.status, after.is_rewatching, after.rewatch_count) == ("completed", False, 1)
    assert after.finished_at == "2019"


def test_a_refusal_names_the_total() -> None:
    with pytest.raises(ProgressAboveTotal) as refused:
        edited(EntryState(status="watching"), {"progress": 27}, FINISHED, TODAY)
    assert refused.value.details is not None
    assert refused.value.details["max"] == 26
