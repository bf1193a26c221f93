"""Link releases to anime of the catalogue, in batches, in the background."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from itertools import groupby
from typing import Any

from app.logs import log
from app.repositories.releases.links import LinkRepository, note_links
from app.services.releases.linking import Link, LinkIndex, Named
from app.services.releases.titles import SOURCE, TitleService
from app.utils.clock import Clock, utc_now
from app.utils.db.database import Database

_TRIED_AGAIN = timedelta(days=1)  # the catalogue may have the anime by then
_AT_ONCE = 500


class LinkService:
    def __init__(self, db: Database, titles: TitleService, *, clock: Clock = utc_now) -> None:
        self._db = db
        self._titles = titles
        self._clock = clock

    async def link(self) -> int:
        """Try every release without an anime that was not tried within a day.

        Returns how many were linked.
        """
        linked = 0
        while tried := await self._link_some():
            linked += tried[1]
            if tried[0] < _AT_ONCE:
                break
        if linked:
            log.info("releases.linked", count=linked)
            await self._titles.invalidate([])
            await self._titles.forget(f"{SOURCE}:title:*")
        return linked

    async def _link_some(self) -> tuple[int, int] | None:
        """The numbers of releases tried and linked; None if there are none to try."""
        now, found, tried = self._clock(), dict[int, tuple[int, float]](), list[int]()
        async with self._db.reader() as connection:
            rows = await LinkRepository(connection).list_unlinked(before=now - _TRIED_AGAIN, limit=_AT_ONCE)
        if not rows:
            return None
        for year, releases in groupby(rows, key=lambda row: row.year):
            named = [_release(row) for row in releases]
            years = None if year is None else (year - 1, year, year + 1)
            async with self._db.reader() as connection:
                candidates = await LinkRepository(connection).list_candidates(years)
            links = await asyncio.to_thread(_find, named, candidates)
            tried += [release.id for release in named]
            found |= {id_: (link.anime_id, link.confidence) for id_, link in links.items()}
        async with self._db.transaction() as tx:
            await note_links(tx, tried, found, at=now)
        return len(tried), len(found)


def _find(releases: Sequence[Named], candidates: Sequence[Any]) -> dict[int, Link]:
    index = LinkIndex(_anime(row) for row in candidates)
    found = ((release.id, index.find(release)) for release in releases)
    return {id_: link for id_, link in found if link is not None}


def _release(row: Any) -> Named:
    names = tuple(name for name in (row.name_en, row.name_ru, row.name_alternative) if name)
    return Named(row.id, names, row.year, row.type, row.episodes_total)


def _anime(row: Any) -> Named:
    names = tuple(name for name in (row.title, row.title_english, row.title_russian, *row.synonyms) if name)
    return Named(row.id, names, row.year, row.type, row.episodes)
