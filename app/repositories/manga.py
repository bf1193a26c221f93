"""SQL of manga from dumps."""

from collections.abc import Sequence
from dataclasses import asdict

import orjson
from sqlalchemy import text

from app.schemas.domain.manga import Manga
from app.utils.db.database import Transaction

# A null in the dump erases nothing; a row without new values is not written.
_PUT = """
    insert into manga as m (mal_id, anilist_id, title, names, format, image_url, chapters, volumes, members)
    select r.* from jsonb_to_recordset(cast(:rows as jsonb)) as r(
        mal_id int, anilist_id int, title text, names text[], format text, image_url text, chapters int,
        volumes int, members int)
    on conflict {key} do update
    set anilist_id = coalesce(excluded.anilist_id, m.anilist_id), title = excluded.title,
        names = excluded.names, format = coalesce(excluded.format, m.format),
        image_url = coalesce(excluded.image_url, m.image_url),
        chapters = coalesce(excluded.chapters, m.chapters), volumes = coalesce(excluded.volumes, m.volumes),
        members = coalesce(excluded.members, m.members)
    where (m.anilist_id, m.title, m.names, m.format, m.image_url, m.chapters, m.volumes, m.members)
          is distinct from
          (coalesce(excluded.anilist_id, m.anilist_id), excluded.title, excluded.names,
           coalesce(excluded.format, m.format), coalesce(excluded.image_url, m.image_url),
           coalesce(excluded.chapters, m.chapters), coalesce(excluded.volumes, m.volumes),
           coalesce(excluded.members, m.members))
    returning m.xmax = 0 as added
"""
_KEYS = {"mal_id": "(mal_id)", "anilist_id": "(anilist_id) where mal_id is null"}


class MangaRepository:
    def __init__(self, tx: Transaction) -> None:
        self._session = tx.session

    async def put_many(self, manga: Sequence[Manga]) -> tuple[int, int]:
        """Upsert by MyAnimeList id, or by AniList id where there is no MyAnimeList id.

        Returns how many were added and how many changed; of duplicate titles the first counts.
        """
        added = updated = 0
        for key, clause in _KEYS.items():
            mine = [one for one in manga if (one.mal_id is None) == (key == "anilist_id")]
            rows = list({getattr(one, key): one for one in reversed(mine)}.values())
            if not rows:
                continue
            found = await self._session.execute(
                text(_PUT.format(key=clause)), {"rows": orjson.dumps([asdict(one) for one in rows]).decode()}
            )
            outcomes = list(found.scalars())
            added += outcomes.count(True)
            updated += outcomes.count(False)
        return added, updated
