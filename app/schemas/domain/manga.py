"""Manga from dumps: enough of each to find it by name and to add it to a list."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Manga:
    """``names`` are all names but the title; at least one id is set. Unknown totals are None."""

    mal_id: int | None
    anilist_id: int | None
    title: str
    names: tuple[str, ...] = ()
    format: str | None = None
    image_url: str | None = None
    chapters: int | None = None
    volumes: int | None = None
    members: int | None = None
