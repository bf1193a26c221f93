"""Find catalogue titles by any full name, ignoring case, width, accents and punctuation."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import text

from app.schemas.domain.library import Subject
from app.utils.db.database import Transaction


@dataclass(frozen=True, slots=True)
class NamedTitle:
    """``names`` are all names of the title in the catalogue."""

    subject: Subject
    names: tuple[str, ...]


class NamedTitleRepository:
    def __init__(self, tx: Transaction) -> None:
        self._session = tx.session

    async def list_named(self, names: Iterable[str]) -> dict[str, list[NamedTitle]]:
        """The matching titles of each name; names without a match are left out. One index lookup per name."""
        asked = sorted(names)
        if not asked:
            return {}
        rows = await self._session.execute(
            text(
                """
                with asked as materialized (
                    select name, title_key(name) as key from unnest(cast(:names as text[])) as name
                )
                select asked.name, found.*
                from asked cross join lateral (
                    select 'anime' as media_type, id as anime_id, mal_id, anilist_id, title, image_url, score,
                           type as format, episodes as total,
                           status is not distinct from 'finished' as is_finished,
                           array_remove(array[title, title_english, title_japanese, title_russian], null)
                               || synonyms as names
                    from anime
                    where title_keys(title, title_english, title_japanese, title_russian, synonyms)
                          @> array[asked.key]
                ) found
                where asked.key <> ''
                order by asked.name, found.anime_id
                """
            ),
            {"names": asked},
        )
        found: dict[str, list[NamedTitle]] = {}
        for row in rows.mappings():
            values = dict(row)
            name, all_names = values.pop("name"), tuple(values.pop("names"))
            found.setdefault(name, []).append(NamedTitle(Subject(**values), all_names))
        return found
