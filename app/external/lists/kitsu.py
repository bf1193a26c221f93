"""Kitsu: library entries of its JSON:API."""

from collections.abc import Mapping
from typing import Any

from app.external.lists import values
from app.external.lists.collecting import collected
from app.schemas.domain.library import MediaType
from app.schemas.domain.lists import ListedRow, ListFile

_KINDS: tuple[MediaType, ...] = ("anime", "manga")
Included = Mapping[tuple[str, str], Mapping[str, Any]]


def reads(document: Any) -> bool:
    rows = document.get("data") if isinstance(document, Mapping) else None
    return isinstance(rows, list) and bool(rows) and "attributes" in rows[0] and "relationships" in rows[0]


def read(document: Mapping[str, Any]) -> ListFile:
    included = {(str(item["type"]), str(item["id"])): item for item in document.get("included") or ()}
    return collected("kitsu", document["data"], lambda line, row: _listed(line, row, included))


def _listed(line: int, row: Mapping[str, Any], included: Included) -> ListedRow:
    said = row["attributes"]
    kind, number = _media(row["relationships"])
    media = included.get((kind, number), {})
    about = media.get("attributes") or {}
    progress = values.whole(said.get("progress"), "progress")
    status, note = values.status(said.get("status"), progress)
    fields = {
        "status": status,
        "is_rewatching": bool(said.get("reconsuming")),
        "progress": progress,
        "score": values.twenty_point_score(said.get("ratingTwenty")),
        "rewatch_count": values.whole(said.get("reconsumeCount"), "times seen again"),
        "notes": values.text(said.get("notes")),
        "is_private": bool(said.get("private")),
        "started_at": values.day(said.get("startedAt")),
        "finished_at": values.day(said.get("finishedAt")),
        "carried": {"kitsu": {"id": number}},
    }
    subject = values.subject(
        kind,
        values.text(about.get("canonicalTitle")) or f"Kitsu {kind} {number}",
        mal_id=_outside(media, included, f"myanimelist/{kind}"),
        anilist_id=_outside(media, included, f"anilist/{kind}"),
        total=values.whole(about.get("episodeCount") or about.get("chapterCount"), "total") or None,
        image_url=values.url((about.get("posterImage") or {}).get("large")),
    )
    return ListedRow(line, subject, fields, note=note)


def _media(relationships: Mapping[str, Any]) -> tuple[MediaType, str]:
    for kind in _KINDS:
        data = (relationships.get(kind) or {}).get("data")
        if data:
            return kind, str(values.whole(data["id"], "Kitsu id"))
    raise ValueError("the row names neither an anime nor a manga")


def _outside(media: Mapping[str, Any], included: Included, site: str) -> int | None:
    """The id of the title elsewhere, from Kitsu's mappings."""
    related = (media.get("relationships") or {}).get("mappings") or {}
    for link in related.get("data") or ():
        said = (included.get(("mappings", str(link["id"]))) or {}).get("attributes") or {}
        if said.get("externalSite") == site:
            return values.ident(said.get("externalId"), "id elsewhere")
    return None
