"""The engine of all list writes: load the entries, apply the rules in memory, store in bulk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from app.errors import AppError, Duplicate, Invalid, NotFound, PreconditionFailed
from app.repositories.library import ChangeRepository, EntryRepository, NewChange, NewEntry, lock_lists
from app.schemas.domain.library import Entry, EntryState, Subject
from app.services.library.matching import match_titles
from app.services.library.rules import edited, watched
from app.utils.clock import day_in
from app.utils.db.database import Transaction

Versions = frozenset[tuple[int | None, int]]
_ADDING = ("add", "upsert", "watch")


class AlreadyOnList(Duplicate):
    default_message = "This title is already on the list."


class NotOnList(NotFound):
    default_message = "This title is not on the list."


class StaleVersion(PreconditionFailed):
    """The entry has changed since the client read it."""

    def __init__(self, draft: "_Draft") -> None:
        super().__init__()
        self._draft = draft

    @property
    def entry(self) -> Entry | None:
        """The current entry, after all operations of the batch; None if there is none."""
        stored, state = self._draft.stored, self._draft.state
        return None if stored is None or state is None else replace(stored, state=state)


class UnknownTitle(NotFound):
    default_message = "The catalogue has no such title."


@dataclass(frozen=True, slots=True)
class Target:
    """Identifies an entry: by catalogue title, by its own id, or by a ``subject`` that may be unknown.

    A subject with an id that the catalogue has is linked to that title.
    """

    anime_id: int | None = None
    mal_id: int | None = None
    entry_id: int | None = None
    subject: Subject | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """``sent`` has exactly the fields that were sent; ``delta`` is added to the progress.

    ``versions`` are the pairs of entry id and version that ``If-Match`` allows; None allows any, and so does
    an id of None. ``upsert`` adds the entry, or updates an existing one. ``watch`` counts ``episode`` as
    watched to its end, at the time ``at``, or now if that is None.
    """

    verb: Literal["add", "update", "upsert", "delete", "watch"]
    target: Target
    sent: Mapping[str, Any] = field(default_factory=dict)
    delta: int = 0
    versions: Versions | None = None
    episode: int = 0
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one operation: the entry as that operation left it, even if later ones changed it.

    A deletion has neither entry nor error. ``created``: the entry did not exist before.
    """

    operation: Operation
    entry: Entry | None = None
    error: AppError | None = None
    created: bool = False


@dataclass(slots=True)
class _Draft:
    """An entry during the operations: its stored state and its current one."""

    subject: Subject
    stored: Entry | None
    state: EntryState | None
    failure: AppError | None = None
    watched_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Step:
    """The effect of one operation on an entry; none if ``before`` equals ``after``."""

    draft: _Draft
    before: EntryState | None
    after: EntryState | None


async def apply(
    tx: Transaction,
    user_id: int,
    operations: Sequence[Operation],
    *,
    origin: str,
    now: datetime,
    job_id: int | None = None,
) -> list[Outcome]:
    """Execute the operations in order, in a fixed number of statements.

    Dates set by the rules are in the time zone of the user, at the time ``now``.
    """
    zones = await lock_lists(tx, [user_id])
    entries, changes = EntryRepository(tx), ChangeRepository(tx)
    targets = [operation.target for operation in operations]
    named = [target.subject for target in targets if target.subject and target.subject.media_type == "anime"]
    subjects = await entries.subjects(
        anime_ids={target.anime_id for target in targets if target.anime_id is not None},
        mal_ids={
            mal_id
            for mal_id in [*(target.mal_id for target in targets), *(subject.mal_id for subject in named)]
            if mal_id is not None
        },
        anilist_ids={subject.anilist_id for subject in named if subject.anilist_id is not None},
    )
    known = [subject.anime_id for subject in subjects if subject.anime_id is not None]
    entry_ids = [target.entry_id for target in targets if target.entry_id is not None]
    stored = await entries.list_for_update(user_id, anime_ids=known, entry_ids=entry_ids)
    missing = set(known) - {entry.subject.anime_id for entry in stored}
    # A title that seems to be missing may be on the list as an entry from before it was in the catalogue.
    if missing and await match_titles(tx, user_id, sorted(missing)):
        stored = await entries.list_for_update(user_id, anime_ids=known, entry_ids=entry_ids)
    writer = _Writer(subjects, day_in(zones[user_id], now))
    writer.load(stored)
    done = [(operation, writer.execute(operation)) for operation in operations]
    await writer.store(entries, changes, user_id, origin, job_id)
    return [Outcome(operation, *_settled(result)) for operation, result in done]


def change_of(entry: Entry, operation: Operation, *, today: str) -> NewChange | None:
    """The change that the operation makes to this one entry; None if it fails."""
    writer = _Writer([entry.subject], today)
    writer.load([entry])
    result = writer.execute(operation)
    if isinstance(result, AppError):
        return None
    return NewChange(entry.id, entry.subject, result.before, result.after)


class _Writer:
    """The loaded entries, by title and by id."""

    def __init__(self, subjects: Sequence[Subject], today: str) -> None:
        self._today = today
        self._subjects: dict[int | None, Subject] = {subject.anime_id: subject for subject in subjects}
        self._by_mal_id: dict[int | None, Subject] = {
            subject.mal_id: subject for subject in subjects if subject.mal_id
        }
        self._by_anilist_id: dict[int | None, Subject] = {
            subject.anilist_id: subject for subject in subjects if subject.anilist_id
        }
        self._drafts: dict[int, _Draft] = {}
        self._by_entry_id: dict[int, _Draft] = {}
        self._steps: list[_Step] = []

    def load(self, stored: Sequence[Entry]) -> None:
        for entry in stored:
            draft = _Draft(entry.subject, entry, entry.state)
            self._by_entry_id[entry.id] = draft
            if entry.subject.anime_id is not None:
                self._drafts[entry.subject.anime_id] = draft

    def execute(self, operation: Operation) -> _Step | AppError:
        try:
            draft = self._draft(operation.target)
            state = self._after(draft, operation)
        except UnknownTitle as error:
            return error if operation.verb in _ADDING else NotOnList()
        except AppError as error:
            return error
        step = _Step(draft, draft.state, state)
        if state != draft.state:
            self._steps.append(step)
            draft.state = state
        return step

    def _draft(self, target: Target) -> _Draft:
        if target.entry_id is not None:
            if target.entry_id not in self._by_entry_id:
                raise NotOnList
            return self._by_entry_id[target.entry_id]
        subject = self._subject(target)
        if subject.anime_id is None:
            return _Draft(subject, None, None)
        return self._drafts.setdefault(subject.anime_id, _Draft(subject, None, None))

    def _subject(self, target: Target) -> Subject:
        given = target.subject
        if given is not None:
            return self._known(given) or given
        found = self._subjects.get(target.anime_id) or self._by_mal_id.get(target.mal_id)
        if found is None:
            raise UnknownTitle
        return found

    def _known(self, given: Subject) -> Subject | None:
        if given.media_type == "manga":
            return None
        return self._by_mal_id.get(given.mal_id) or self._by_anilist_id.get(given.anilist_id)

    def _after(self, draft: _Draft, operation: Operation) -> EntryState | None:
        if operation.verb == "watch":
            return self._watched(draft, operation)
        if operation.verb == "add" or (operation.verb == "upsert" and draft.state is None):
            return self._added(draft, operation)
        return self._changed(draft, operation)

    def _added(self, draft: _Draft, operation: Operation) -> EntryState:
        if draft.state is not None:
            raise AlreadyOnList("mal_id" if operation.target.mal_id else "anime_id")
        if operation.versions is not None:
            raise StaleVersion(draft)
        if "status" not in operation.sent:
            raise Invalid.fields({"status": ["A title that is not on the list needs a status."]})
        return edited(None, operation.sent, draft.subject, self._today)

    def _watched(self, draft: _Draft, operation: Operation) -> EntryState:
        stored, at = draft.stored, operation.at
        draft.watched_at = at
        late = stored is not None and at is not None and at <= stored.progress_changed_at
        return watched(draft.state, operation.episode, draft.subject, self._today, late=late)

    def _changed(self, draft: _Draft, operation: Operation) -> EntryState | None:
        if draft.state is None:
            raise NotOnList
        if operation.versions is not None and operation.versions.isdisjoint(_versions(draft)):
            raise StaleVersion(draft)
        if operation.verb == "delete":
            return None
        sent = dict(operation.sent)
        if operation.delta:
            sent["progress"] = max(0, draft.state.progress + operation.delta)
        return edited(draft.state, sent, draft.subject, self._today)

    async def store(
        self,
        entries: EntryRepository,
        changes: ChangeRepository,
        user_id: int,
        origin: str,
        job_id: int | None,
    ) -> None:
        changed = list({id(step.draft): step.draft for step in self._steps}.values())
        await self._store_changed(entries, changed)
        await self._store_added(entries, user_id, changed)
        await self._store_deleted(entries, changed)
        news = [
            NewChange(
                step.draft.stored.id,
                step.draft.subject,
                step.before,
                step.after,
                created_at=step.draft.stored.created_at if step.after is None else None,
            )
            for step in self._steps
            if step.draft.stored is not None and step.draft.failure is None
        ]
        if news:
            await changes.record_many(user_id, news, origin=origin, job_id=job_id)

    async def _store_deleted(self, entries: EntryRepository, changed: list[_Draft]) -> None:
        gone = [draft.stored.id for draft in changed if draft.stored is not None and draft.state is None]
        if gone:
            await entries.delete_many(gone)

    async def _store_changed(self, entries: EntryRepository, changed: list[_Draft]) -> None:
        kept = [draft for draft in changed if draft.stored is not None and draft.state is not None]
        states = {draft.stored.id: draft.state for draft in kept if draft.stored and draft.state}
        if states:
            moved_at = {
                draft.stored.id: draft.watched_at for draft in kept if draft.stored and draft.watched_at
            }
            stamps = await entries.update_many(states, moved_at=moved_at)
            for draft in kept:
                if draft.stored is not None and draft.state is not None:
                    stamp = stamps[draft.stored.id]
                    draft.stored = replace(draft.stored, state=draft.state, **stamp)

    async def _store_added(self, entries: EntryRepository, user_id: int, changed: list[_Draft]) -> None:
        """Also insert entries that the batch added and deleted again: the history needs their ids."""
        last = {id(step.draft): step.after for step in self._steps if step.after is not None}
        fresh = [draft for draft in changed if draft.stored is None]
        news = [NewEntry(draft.subject, last[id(draft)], draft.watched_at) for draft in fresh]
        added = await entries.insert_many(user_id, news)
        for position, draft in enumerate(fresh):
            draft.stored = added.get(position)
            # a concurrent request added the same title
            draft.failure = None if draft.stored is not None else AlreadyOnList("anime_id")


def _versions(draft: _Draft) -> Versions:
    """The versions that ``If-Match`` may name: the version alone, or with the id of the entry.

    Empty once an earlier operation of the batch has changed the entry, because no client can know that
    version.
    """
    stored = draft.stored
    if stored is None or stored.state != draft.state:
        return frozenset()
    return frozenset(((None, stored.version), (stored.id, stored.version)))


def _settled(result: _Step | AppError) -> tuple[Entry | None, AppError | None, bool]:
    if isinstance(result, AppError):
        return None, result, False
    stored = result.draft.stored
    if result.draft.failure is not None or stored is None or result.after is None:
        return None, result.draft.failure, False
    return replace(stored, state=result.after), None, result.before is None
