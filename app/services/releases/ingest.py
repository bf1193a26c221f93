"""Store releases fetched from a source, and emit events for what is new in them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from app.repositories.releases import Known, PollRepository, ReleaseWriter
from app.schemas.domain.anime import Status
from app.schemas.domain.releases import UpstreamEpisode, UpstreamRelease
from app.schemas.events import EpisodeReleased, ReleaseAdded, ReleaseStatusChanged
from app.utils.db.database import Transaction

_RECENT = timedelta(hours=1)  # tolerance for clock differences and for delays of the source's lists


async def store_releases(
    tx: Transaction, releases: Sequence[UpstreamRelease], *, at: datetime, listed: bool = False
) -> dict[int, int]:
    """Store releases, without duplicates, and emit events for what is new.

    Returns our ids by those of the source. Before the first poll of the source nothing counts as new. After
    it, whichever poll or request sees something new first emits the event; duplicates are dropped by their
    ``dedup_key``. ``listed`` are releases from the source's lists: once the whole catalogue was mirrored, an
    unknown one of these is new, whatever its dates say.
    """
    unique = {release.external_id: release for release in releases}
    writer = ReleaseWriter(tx)
    state = await PollRepository(tx.session, "anilibria").get()
    known_from, all_known = state.polled_at, listed and state.mirrored_at is not None
    known = await writer.list_known(list(unique))
    current: list[tuple[Known | None, UpstreamRelease, Status]] = []
    for external_id, release in unique.items():
        before = known.get(external_id)
        if before is not None and is_outdated(before, release):
            await writer.touch(external_id, fetched_at=at)
        else:
            status = release.status or (before.status if before is not None else "finished")
            current.append((before, replace(release, status=status), status))
    ids = await writer.upsert([release for _, release, _ in current], fetched_at=at)
    if known_from is not None:
        for before, release, status in current:
            _emit(tx, before, release, status, at=at, known_from=known_from, all_known=all_known)
    return ids


def _emit(
    tx: Transaction,
    known: Known | None,
    release: UpstreamRelease,
    status: Status,
    *,
    at: datetime,
    known_from: datetime,
    all_known: bool,
) -> None:
    if known is None and (all_known or _is_added_since(release, known_from)):
        genres = release.genres or ()
        tx.emit(ReleaseAdded(release.external_id, release.name_ru, release.poster_medium, genres, at))
    if known is not None and known.status != status:
        tx.emit(ReleaseStatusChanged(release.external_id, known.status, status, at))
    for episode in new_episodes(known, release, known_from=known_from, all_known=all_known):
        tx.emit(
            EpisodeReleased(
                release.external_id,
                episode.ordinal,
                release.name_ru,
                episode.name or episode.name_english,
                release.poster_medium,
                at,
                known.anime_id if known is not None else None,
            )
        )


def is_outdated(known: Known, release: UpstreamRelease) -> bool:
    """Whether a response is older than what is stored, as a mirror or a proxy may still return it.

    Only the source's own instants are compared; a response with an unknown episode is never outdated.
    """
    if known.updated_at is None or release.updated_at is None or release.updated_at >= known.updated_at:
        return False
    if release.fresh_at is not None and (known.fresh_at is None or release.fresh_at > known.fresh_at):
        return False
    return {episode.ordinal for episode in release.episodes or ()} <= known.ordinals


def _is_added_since(release: UpstreamRelease, moment: datetime) -> bool:
    return release.added_at is not None and release.added_at >= moment


def new_episodes(
    known: Known | None, release: UpstreamRelease, *, known_from: datetime, all_known: bool = False
) -> list[UpstreamEpisode]:
    """The episodes released since the release was last stored.

    Episodes are identified by number, so a new upload of one is not new. If the earlier episodes were never
    fetched, those above the highest known number are new, otherwise only the newest one: if it is recent, or
    if all earlier releases of the source are known (``all_known``) and this one is not.
    """
    told = release.episodes if release.episodes is not None else [release.latest] if release.latest else []
    episodes = sorted(told, key=lambda episode: episode.ordinal)
    if known is not None and known.detailed_at is not None:
        return [episode for episode in episodes if episode.ordinal not in known.ordinals]
    if known is not None and known.latest_ordinal is not None:
        return [episode for episode in episodes if episode.ordinal > known.latest_ordinal]
    if known is None and _is_added_since(release, known_from):
        return episodes
    if known is None and all_known:
        return episodes[-1:]
    recent = known_from - _RECENT
    return [episode for episode in episodes if episode.updated_at and episode.updated_at >= recent][-1:]
