"""Plan the effect of each row of a list file; pure, so that dry runs and imports give the same result."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from app.schemas.domain.library import Entry, EntryState, EntryStatus, Subject
from app.schemas.domain.lists import Action, BadRow, ImportMode, ListedRow, RowReport
from app.services.library.matching import linked_state
from app.services.library.merging import changes_between, merged
from app.services.library.title_matches import Identity, TitleMatches, has_only_a_title, identities

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Planned:
    """A row and the state to write; ``state`` is None if nothing changes.

    ``is_match`` means that the entry had no catalogue title so far, and is to be linked first.
    """

    report: RowReport
    subject: Subject
    entry: Entry | None = None
    state: EntryState | None = None
    is_match: bool = False


class ImportPlan:
    """Matches rows with the catalogue and the entries of the list.

    ``seen`` has the identifiers of earlier rows, and is extended.
    """

    def __init__(
        self,
        titles: TitleMatches,
        entries: Iterable[Entry],
        source: str,
        seen: dict[Identity, int],
        *,
        mode: ImportMode = "merge",
    ) -> None:
        self._source = source
        self._mode = mode
        self._titles = titles
        self._entries: dict[Identity, Entry] = {}
        for entry in entries:
            names = _all_names(entry.subject, kitsu_id_of(entry.state.carried))
            self._entries.update(dict.fromkeys(names, entry))
            if entry.subject.mal_id is None:  # a MyAnimeList file identifies it only by its title
                for name in _by_title(entry.subject):
                    self._entries.setdefault(name, entry)
        self._seen = seen

    def plan(self, rows: Sequence[ListedRow]) -> list[Planned]:
        return [self._plan(row) for row in rows]

    def _plan(self, row: ListedRow) -> Planned:
        subject, not_linked = self._titles.subject_of(row)
        names = _names(row)
        if subject is not row.subject:
            names = list(dict.fromkeys([*_all_names(subject), *names]))
        first = _first(self._seen, names)
        if first is not None:
            return Planned(_report(row, subject, "skipped", f"the same title as row {first}"), subject)
        self._seen.update(dict.fromkeys(names, row.line))
        entry = _first(self._entries, names)
        if entry is None:
            status = row.fields.get("status") or _likely_status(row)
            note = row.unclear_status and f"{row.unclear_status}: taken as {status}"
            state = self._new(row, subject, status)
            return Planned(_report(row, subject, "added", row.note, note, not_linked), subject, None, state)
        return self._planned_change(row, subject, entry, not_linked)

    def _planned_change(
        self, row: ListedRow, subject: Subject, entry: Entry, not_linked: str | None
    ) -> Planned:
        is_match = False
        if entry.subject.anime_id is not None:
            subject, not_linked = entry.subject, None
        elif subject.anime_id is not None and has_only_a_title(row):  # otherwise it could not be linked later
            is_match = True
            entry = replace(entry, subject=subject, state=linked_state(entry.state, subject))
        state, kept = merged(entry, row, self._mode)
        note = row.unclear_status and f"{row.unclear_status}: ours is kept"
        changes = changes_between(entry.state, state)
        if is_match:
            changes["anime_id"] = [None, subject.anime_id]
        action: Action = "updated" if changes else "unchanged"
        report = _report(row, subject, action, row.note, note, kept, not_linked)
        if not changes:
            return Planned(report, subject, entry)
        return Planned(replace(report, changes=changes), subject, entry, state, is_match)

    def _new(self, row: ListedRow, subject: Subject, status: EntryStatus) -> EntryState:
        stated = {name: value for name, value in row.fields.items() if value is not None}
        state = EntryState(**{**stated, "status": status})
        if subject.anime_id is not None:
            return state
        # the catalogue does not have the title yet, so the entry keeps the file's data about it
        return replace(
            state,
            title=state.title or _shown_title(row, subject),
            source=state.source or self._source,
            cover_url=state.cover_url or subject.image_url,
            max_progress=state.max_progress or subject.total,
            format=state.format or subject.format,
            site_url=state.site_url or subject.site_url,
        )


def _first(found: Mapping[Identity, T], names: Iterable[Identity]) -> T | None:
    """The value of the first of ``names`` that is a key."""
    for name in names:
        if name in found:
            return found[name]
    return None


def _report(row: ListedRow, subject: Subject, action: Action, *notes: str | None) -> RowReport:
    return RowReport(
        row.line,
        _shown_title(row, subject),
        action,
        "; ".join([note for note in notes if note]) or None,
        media_type=subject.media_type,
        anime_id=subject.anime_id,
    )


def _shown_title(row: ListedRow, subject: Subject) -> str:
    """The title in the file, otherwise in the catalogue, otherwise its id."""
    named = row.subject.title or subject.title
    if named is not None:
        return named
    kitsu_id = kitsu_id_of(row.fields.get("carried"))
    known = (("MyAnimeList", subject.mal_id), ("AniList", subject.anilist_id), ("Kitsu", kitsu_id))
    service, number = next((service, number) for service, number in known if number is not None)
    return f"{service} {subject.media_type} {number}"


def _likely_status(row: ListedRow) -> EntryStatus:
    return "watching" if row.fields.get("progress") else "plan_to_watch"


def names_of(rows: Iterable[ListedRow | BadRow]) -> dict[Identity, int]:
    """Identifiers of rows already applied, each with the first row that has it."""
    found: dict[Identity, int] = {}
    for row in rows:
        for name in _names(row) if isinstance(row, ListedRow) else ():
            found.setdefault(name, row.line)
    return found


def _names(row: ListedRow) -> list[Identity]:
    return _all_names(row.subject, kitsu_id_of(row.fields.get("carried")))


def kitsu_id_of(carried: Mapping[str, Any] | None) -> str | None:
    """The title's id at Kitsu, which is stored among the ``carried`` fields."""
    kitsu = (carried or {}).get("kitsu")
    return str(kitsu["id"]) if isinstance(kitsu, dict) and "id" in kitsu else None


def _all_names(subject: Subject, kitsu_id: str | None = None) -> list[Identity]:
    """All identifiers under which the same title may occur again."""
    found = identities(subject)
    if kitsu_id is not None:
        found.append((subject.media_type, "kitsu", kitsu_id))
    return found or _by_title(subject)


def _by_title(subject: Subject) -> list[Identity]:
    return [] if subject.title is None else [(subject.media_type, "title", subject.title.casefold())]
