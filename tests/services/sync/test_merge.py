"""The three-way merge: its rules, and a state machine of edits, crashes and rejections that must converge."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from app.schemas.domain.sync import NOTHING, Snapshot, SyncState
from app.services.sync.merge import Merged, merge, settle

WATCHING = SyncState(status="watching", progress=5, score=80)


def same(state: SyncState) -> SyncState:
    return state


def tens(state: SyncState) -> SyncState:
    """A service with integer scores only, as many are."""
    score = None if not state.score else max(10, (state.score + 5) // 10 * 10)
    return replace(state, score=score)


def met(
    local: Mapping[str, Any], remote: Mapping[str, Any], *, later: bool = True, hold: Any = same
) -> Merged:
    """Both sides had :data:`WATCHING`, then changed these fields."""
    base = Snapshot(hold(WATCHING), hold(WATCHING))
    return merge(
        base, replace(WATCHING, **local), replace(WATCHING, **remote), local_is_later=later, hold=hold
    )


def test_a_field_is_taken_from_the_side_that_changed_it() -> None:
    merged = met({"score": 90, "notes": "ours"}, {"status": "on_hold", "progress": 7})
    assert merged.local == SyncState(status="on_hold", progress=7, score=90, notes="ours")
    assert merged.wanted == {"score": 90, "notes": "ours"}
    assert merged.conflicts == ()


@pytest.mark.parametrize("later", [True, False])
def test_of_two_conflicting_edits_the_later_is_kept_on_both_sides(later: bool) -> None:
    merged = met({"score": 90, "notes": "ours"}, {"score": 60, "notes": "theirs"}, later=later)
    assert (merged.local.score, merged.local.notes) == ((90, "ours") if later else (60, "theirs"))
    assert merged.wanted == ({"score": 90, "notes": "ours"} if later else {})
    kept = "local" if later else "remote"
    assert [(one.field, one.local_value, one.remote_value, one.kept) for one in merged.conflicts] == [
        ("score", 90, 60, kept),
        ("notes", "ours", "theirs", kept),
    ]


@pytest.mark.parametrize(
    ("ours", "theirs", "later", "progress", "told"),
    [
        (5, 3, False, 5, True),  # lowered there: ours is kept, and pushed again
        (9, 7, False, 9, True),  # both increased: the higher one
        (7, 9, True, 9, False),
        (3, 5, True, 3, True),  # lowered here on purpose
        (3, 8, True, 3, True),
        (3, 8, False, 8, False),
        (2, 3, False, 3, False),
        (3, 2, False, 3, True),
    ],
)
def test_progress_never_falls_by_itself(
    ours: int, theirs: int, later: bool, progress: int, told: bool
) -> None:
    merged = met({"progress": ours}, {"progress": theirs}, later=later)
    assert merged.local.progress == progress
    assert merged.wanted == ({"progress": progress} if told else {})


def test_a_rewatched_title_starts_from_the_beginning() -> None:
    merged = met({}, {"status": "rewatching", "progress": 0, "rewatch_count": 1})
    assert merged.local == SyncState(status="rewatching", progress=0, score=80, rewatch_count=1)
    assert merged.wanted == {}


def test_values_rounded_by_the_service_count_as_equal() -> None:
    finer = replace(WATCHING, score=84)
    base = Snapshot(tens(WATCHING), tens(WATCHING))
    merged = merge(base, finer, WATCHING, local_is_later=True, hold=tens)
    assert (merged.local, merged.wanted, merged.conflicts) == (finer, {}, ())


def test_values_that_the_service_cannot_represent_are_pushed_once() -> None:
    """It returns 26 for a progress of 30: ours is kept, and neither side is updated again."""
    ours = replace(WATCHING, progress=30)
    merged = merge(Snapshot(WATCHING, WATCHING), ours, WATCHING, local_is_later=True, hold=same)
    assert merged.wanted == {"progress": 30}
    answer = replace(WATCHING, progress=26)
    settled = settle(merged.snapshot, merged.wanted, answer)
    again = merge(settled, merged.local, answer, local_is_later=True, hold=same)
    assert (again.local, again.wanted, again.conflicts) == (ours, {}, ())
    third = merge(again.snapshot, again.local, answer, local_is_later=False, hold=same)
    assert (third.local, third.wanted) == (ours, {})


def test_values_added_by_the_service_are_accepted() -> None:
    told = {"status": "completed", "finished_at": None}
    answer = SyncState(status="completed", progress=12, score=80, finished_at="2026-11-28")
    ours = replace(WATCHING, status="completed")
    settled = settle(Snapshot(WATCHING, WATCHING), told, answer)
    merged = merge(settled, ours, answer, local_is_later=True, hold=same)
    assert (merged.local, merged.wanted, merged.conflicts) == (answer, {}, ())


def test_the_first_sync_fills_empty_fields_of_both_sides() -> None:
    ours = SyncState(status="watching", progress=3, notes="ours")
    theirs = SyncState(status="watching", progress=5, score=70, started_at="2020")
    merged = merge(None, ours, theirs, local_is_later=True, hold=same)
    assert merged.local == replace(theirs, notes="ours")
    assert merged.wanted == {"notes": "ours"}
    assert [one.field for one in merged.conflicts] == ["progress"]


class Service:
    """Holds one list: integer scores, a maximum progress of 12, its own date for completed entries."""

    def __init__(self) -> None:
        self.entries: dict[int, tuple[SyncState, int]] = {}
        self.saves = 0
        self.refuses = 0

    def save(self, key: int, news: Mapping[str, Any], now: int) -> SyncState:
        if self.refuses:
            self.refuses -= 1
            raise ConnectionError
        self.saves += 1
        before = self.entries[key][0] if key in self.entries else NOTHING
        after = tens(replace(before, **news))
        after = replace(after, progress=min(after.progress, 12))
        if after.status == "completed" and after.finished_at is None:
            after = replace(after, finished_at="2026-11-28")
        self.entries[key] = (after, now)
        return after


FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(["watching", "completed", "dropped", "rewatching", "plan_to_watch"]),
        "score": st.one_of(st.none(), st.integers(1, 100)),
        "progress": st.integers(0, 12),
        "notes": st.one_of(st.none(), st.sampled_from(["a", "b"])),
        "is_private": st.booleans(),
        "rewatch_count": st.integers(0, 3),
        "started_at": st.one_of(st.none(), st.sampled_from(["2020", "2020-05", "2020-05-01"])),
    },
)
KEYS = st.integers(1, 3)


class TwoWaySync(RuleBasedStateMachine):
    """Edits on both sides and from two devices, clock differences, rejections, crashes between two steps."""

    @initialize()
    def begin(self) -> None:
        self.now = 1000
        self.service = Service()
        self.local: dict[int, tuple[SyncState, int]] = {}
        self.snapshots: dict[int, Snapshot] = {}

    @rule(key=KEYS, news=FIELDS, skew=st.integers(-300, 300))
    def edit_here(self, key: int, news: dict[str, Any], skew: int) -> None:
        self.now += 1
        before = self.local[key][0] if key in self.local else SyncState(status="watching")
        self.local[key] = (replace(before, **news), self.now + skew)

    @rule(key=KEYS, news=FIELDS)
    def edit_there(self, key: int, news: dict[str, Any]) -> None:
        self.now += 1
        refuses, self.service.refuses = self.service.refuses, 0
        new = {} if key in self.service.entries else {"status": "watching"}
        self.service.save(key, {**new, **news}, self.now)
        self.service.refuses = refuses

    @rule(times=st.integers(1, 3))
    def refuse(self, times: int) -> None:
        self.service.refuses = times

    @rule(key=KEYS, dies_after_save=st.booleans())
    def sync_one(self, key: int, dies_after_save: bool) -> None:
        self._sync(key, dies_after_save=dies_after_save)

    def _sync(self, key: int, *, dies_after_save: bool = False) -> None:
        """Snapshots are stored before the other side is updated, and again afterwards."""
        merged = self._merge(key)
        if merged is None or not merged.wanted:
            return
        try:
            answer = self.service.save(key, merged.wanted, self.now)
        except ConnectionError:
            return
        if dies_after_save:
            return
        self.snapshots[key] = settle(merged.snapshot, merged.wanted, answer)
        self._merge(key)

    def _merge(self, key: int) -> Merged | None:
        local, remote = self.local.get(key), self.service.entries.get(key)
        if local is None and remote is None:
            return None
        if local is None or remote is None:
            present, at = local or remote or (NOTHING, 0)
            local, remote = local or (present, at), remote or (NOTHING, 0)
            if self.local.get(key) is not None:
                self.snapshots.setdefault(key, Snapshot(NOTHING, NOTHING))
        merged = merge(
            self.snapshots.get(key), local[0], remote[0], local_is_later=local[1] >= remote[1], hold=tens
        )
        if not _restarts(local[0], merged.local):
            assert merged.local.progress >= local[0].progress, "progress fell by itself"
        self.local[key] = (merged.local, local[1])
        self.snapshots[key] = merged.snapshot
        return merged

    @invariant()
    def converges(self) -> None:
        """Without further edits, both sides agree within three rounds, and then nothing more is sent."""
        kept = (dict(self.local), dict(self.snapshots), dict(self.service.entries), self.service.refuses)
        self.service.refuses = 0
        for _ in range(3):
            for key in (1, 2, 3):
                self._sync(key)
        saves, local = self.service.saves, dict(self.local)
        for key in (1, 2, 3):
            self._sync(key)
        assert (self.service.saves, self.local) == (saves, local)
        assert self.local.keys() == self.service.entries.keys()
        for key, (state, _) in self.local.items():
            assert tens(state) == self.service.entries[key][0]
        self.local, self.snapshots, self.service.entries, self.service.refuses = kept


def _restarts(before: SyncState, after: SyncState) -> bool:
    return before.status != "rewatching" and after.status == "rewatching"


TestTwoWaySync = TwoWaySync.TestCase
TestTwoWaySync.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)


class TwoWaySyncAtLength(TwoWaySync):
    """The same with many more and longer sequences."""


TestTwoWaySyncAtLength = pytest.mark.soak(TwoWaySyncAtLength.TestCase)
TestTwoWaySyncAtLength.settings = settings(max_examples=1500, stateful_step_count=40, deadline=None)
