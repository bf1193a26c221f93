"""Franchises of the catalogue: the titles related to a title, and the order to watch them in."""

from collections.abc import Collection

from app.errors import NotFound
from app.repositories.relations import RelationReads
from app.schemas.domain.relations import Included, RelatedTitle, StoredRelation, WatchOrder, WatchSort
from app.services.catalogue.franchise import TIES
from app.services.catalogue.relations import settle
from app.services.catalogue.watch_order import plan
from app.utils.db.database import Database


class FranchiseService:
    def __init__(self, db: Database) -> None:
        self._db = db

    async def watch_order(
        self, anime_id: int, *, sort: WatchSort, include: Collection[Included], user_id: int | None
    ) -> WatchOrder:
        """The watch order of the title's franchise; with the progress of ``user_id`` if given."""
        async with self._db.driver() as driver:
            reads = RelationReads(driver)
            requested = await reads.find_title(anime_id)
            if requested is None:
                raise NotFound(f"There is no anime {anime_id}.")
            key, titles, records = await _franchise(reads, requested)
            marks = None
            if user_id is not None:
                keys = {title.card.id: id_ for id_, title in titles.items()}
                found = await reads.marks(user_id, keys)
                marks = {keys[id_]: mark for id_, mark in found.items()}
        edges = settle(records, {id_: title.aired_from for id_, title in titles.items()})
        return WatchOrder(sort, plan(key, titles, edges, sort=sort, include=include), titles, marks)


async def _franchise(
    reads: RelationReads, requested: RelatedTitle
) -> tuple[int, dict[int, RelatedTitle], list[StoredRelation]]:
    """The MyAnimeList id of the title, the titles of its franchise, and the stored relations between them."""
    mal_id = requested.card.mal_id
    if mal_id is None:
        return 0, {0: requested}, []
    members = await reads.component(mal_id, TIES)
    return mal_id, await reads.titles(members), await reads.list_between(members)
