"""Match rows of a list file to catalogue titles: by id, or by a name that only one title has."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from app.repositories.library import EntryRepository, NamedTitle, NamedTitleRepository
from app.schemas.domain.library import Subject
from app.schemas.domain.lists import ListedRow
from app.utils.db.database import Transaction

_BY_TITLE = "linked by its title"
Identity = tuple[str, str, str | int]


class TitleMatches:
    """Catalogue titles for a batch of rows."""

    def __init__(self, by_id: Iterable[Subject], by_name: Mapping[str, Sequence[NamedTitle]]) -> None:
        self._by_id = {identity: subject for subject in by_id for identity in identities(subject)}
        self._by_name = by_name

    @property
    def subjects(self) -> list[Subject]:
        named = (title.subject for titles in self._by_name.values() for title in titles)
        return [*self._by_id.values(), *named]

    def subject_of(self, row: ListedRow) -> tuple[Subject, str | None]:
        """The catalogue title or the file's own one, and a note for rows without ids."""
        if not has_only_a_title(row):
            for identity in identities(row.subject):
                if identity in self._by_id:
                    return self._by_id[identity], None
            return row.subject, None
        if row.subject.media_type != "anime":
            return row.subject, "not linked: it has no id, and the catalogue holds no manga"
        title = row.subject.title or ""
        found = _closest(title, self._by_name.get(title, ()))
        doubt = _doubt(row, found)
        return (
            (row.subject, f"not linked: it has no id, and {doubt}")
            if doubt
            else (found[0].subject, _BY_TITLE)
        )


async def match_titles_of(tx: Transaction, rows: Sequence[ListedRow]) -> TitleMatches:
    """Look up all rows in two statements."""
    by_id = await EntryRepository(tx).subjects(
        mal_ids={row.subject.mal_id for row in rows if row.subject.mal_id is not None},
        anilist_ids={row.subject.anilist_id for row in rows if row.subject.anilist_id is not None},
    )
    names = {
        row.subject.title
        for row in rows
        if row.subject.title and row.subject.media_type == "anime" and has_only_a_title(row)
    }
    return TitleMatches(by_id, await NamedTitleRepository(tx).list_named(names))


def has_only_a_title(row: ListedRow) -> bool:
    return row.subject.mal_id is None and row.subject.anilist_id is None


def identities(subject: Subject) -> list[Identity]:
    """All ids that identify the title."""
    kind, found = subject.media_type, list[Identity]()
    if subject.anime_id is not None:
        found.append((kind, "anime", subject.anime_id))
    if subject.mal_id is not None:
        found.append((kind, "mal", subject.mal_id))
    if subject.anilist_id is not None:
        found.append((kind, "anilist", subject.anilist_id))
    return found


def _doubt(row: ListedRow, found: Sequence[NamedTitle]) -> str | None:
    """Why the titles with the row's name may be the wrong ones."""
    if not found:
        return "no title of the catalogue has this name"
    if len(found) > 1:
        return f"{len(found)} titles of the catalogue have this name"
    total, seen = found[0].subject.total, row.fields.get("progress") or 0
    if total is not None and seen > total:
        return f"the title of this name has {total} episodes, fewer than the {seen} that were seen"
    return None


def _closest(title: str, found: Sequence[NamedTitle]) -> Sequence[NamedTitle]:
    """Titles with exactly this name, if any: punctuation often distinguishes seasons."""
    spelled = _spelling(title)
    return [one for one in found if any(_spelling(name) == spelled for name in one.names)] or found


def _spelling(title: str) -> str:
    """Normalise case, width and spacing."""
    return " ".join(unicodedata.normalize("NFKC", title).casefold().split())
