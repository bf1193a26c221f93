"""What an import makes of each row of a list file: pure, so that a dry run is the same as the real one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.external.lists import title_tags
from app.schemas.domain.library import Entry, EntryState, Subject
from app.schemas.domain.lists import BadRow, ListedRow, RowReport

Identity = tuple[str, str, str | int]


@dataclass(frozen=True, slots=True)
class Planned:
    """A row with what is to be written for it; ``state`` is None where nothing is."""

    report: RowReport
    subject: Subject
    entry: Entry | None = None
    state: EntryState | None = None


class ImportPlan:
    """Rows against what the catalogue knows and what is on the list.

    ``seen`` has the names of the rows before these, and grows.
    """

    def __init__(
        self,
        subjects: Iterable[Subject],
        entries: Iterable[Entry],
        source: str,
        seen: dict[Identity, int],
    ) -> None:
        self._source = source
        self._titles = {identity: subject for subject in subjects for identity in identities(subject)}
        self._entries: dict[Identity, Entry] = {}
        for entry in entries:
            names = identities(entry.subject, entry.state.carried.get("kitsu"))
            self._entries.update(dict.fromkeys(names, entry))
            if entry.subject.mal_id is None:  # a file of MyAnimeList has but its title
                for name in _by_title(entry.subject):
                    self._entries.setdefault(name, entry)
        self._seen = seen

    def plan(self, rows: Sequence[ListedRow]) -> list[Planned]:
        return [self._plan(row) for row in rows]

    def _plan(self, row: ListedRow) -> Planned:
        names = _names(row)
        subject = next((self._titles[name] for name in names if name in self._titles), row.subject)
        if subject is not row.subject:
            names = list(dict.fromkeys([*identities(subject), *names]))
        first = next((self._seen[name] for name in names if name in self._seen), None)
        if first is not None:
            reason = f"the same title as row {first}"
            return Planned(RowReport(row.line, row.subject.title, "skipped", reason), subject)
        for name in names:
            self._seen[name] = row.line
        entry = next((self._entries[name] for name in names if name in self._entries), None)
        if entry is None:
            report = RowReport(row.line, row.subject.title, "added", row.note)
            return Planned(report, subject, None, self._new(row, subject))
        state = _merged(entry, row)
        if state == entry.state:
            return Planned(RowReport(row.line, row.subject.title, "unchanged", row.note), subject, entry)
        return Planned(RowReport(row.line, row.subject.title, "updated", row.note), subject, entry, state)

    def _new(self, row: ListedRow, subject: Subject) -> EntryState:
        state = EntryState(**row.fields)
        if subject.anime_id is not None:
            return state
        # nobody knows the title yet: the entry carries what the file says of it
        return replace(
            state,
            title=state.title or subject.title,
            source=state.source or self._source,
            cover_url=state.cover_url or subject.image_url,
            max_progress=state.max_progress or subject.total,
        )


def names_of(rows: Iterable[ListedRow | BadRow]) -> dict[Identity, int]:
    """The names of rows that were carried out before, each with the first row that has it."""
    found: dict[Identity, int] = {}
    for row in rows:
        for name in _names(row) if isinstance(row, ListedRow) else ():
            found.setdefault(name, row.line)
    return found


def _names(row: ListedRow) -> list[Identity]:
    return identities(row.subject, row.fields.get("carried", {}).get("kitsu"))


def identities(subject: Subject, kitsu: object = None) -> list[Identity]:
    """All names under which the same title may come again."""
    kind = subject.media_type
    found: list[Identity] = []
    if subject.anime_id is not None:
        found.append((kind, "anime", subject.anime_id))
    if subject.mal_id is not None:
        found.append((kind, "mal", subject.mal_id))
    if subject.anilist_id is not None:
        found.append((kind, "anilist", subject.anilist_id))
    if isinstance(kitsu, dict):
        found.append((kind, "kitsu", str(kitsu["id"])))
    return found or _by_title(subject)


def _by_title(subject: Subject) -> list[Identity]:
    return [] if subject.title is None else [(subject.media_type, "title", subject.title.casefold())]


def _merged(entry: Entry, row: ListedRow) -> EntryState:
    fields = dict(row.fields)
    if "carried" in fields:
        fields["carried"] = _carried(entry, fields["carried"])
    if row.rounded_score and _rounded(entry.state.score) == fields.get("score"):
        fields.pop("score", None)
    return replace(entry.state, **fields)


def _carried(entry: Entry, said: Mapping[str, Any]) -> dict[str, Any]:
    """What each service's file says replaces what it said before; what it leaves out stays.

    That a title is called as we call it is no news: our own export says so of every title.
    """
    stored, subject = entry.state.carried, entry.subject
    ours = title_tags(
        subject.media_type, subject.title, subject.total or entry.state.max_progress, entry.format
    )
    merged = dict(stored)
    for service, texts in said.items():
        known = stored.get(service, {})
        news = {tag: text for tag, text in texts.items() if tag in known or text != ours.get(tag)}
        if known or news:
            merged[service] = {**known, **news}
    return merged


def _rounded(score: int | None) -> int | None:
    """Half up to a whole number of ten, as MyAnimeList keeps it; there 0 means unscored."""
    return ((score or 0) + 5) // 10 * 10 or None
