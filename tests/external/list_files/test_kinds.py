"""Anime or manga: from the file, otherwise as stated, never guessed."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from app.external.list_files import UnknownKind, read_list
from app.schemas.domain.library import MediaType

SAMPLES = Path(__file__).parents[2] / "samples/lists"


def anilist(
    entry: dict[str, Any] | None = None,
    media: dict[str, Any] | None = None,
    listed: dict[str, Any] | None = None,
    name: str = "MediaListCollection",
) -> bytes:
    about = {"idMal": 1, "title": {"romaji": "T"}, **(media or {})}
    row = {"mediaId": 1, "status": "CURRENT", "progress": 1, "score": 0, "media": about, **(entry or {})}
    return orjson.dumps(
        {"data": {name: {"lists": [{"name": "Completed", "entries": [row], **(listed or {})}]}}}
    )


def kinds(content: bytes, asked: MediaType | None = None) -> list[str]:
    return [row.subject.media_type for row in read_list(content, asked).rows]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (anilist(media={"type": "MANGA"}), "manga"),
        (anilist(media={"type": "ANIME"}, entry={"progressVolumes": 0}), "anime"),
        (anilist(media={"format": "NOVEL"}), "manga"),
        (anilist(media={"format": "ONE_SHOT"}), "manga"),
        (anilist(media={"format": "TV_SHORT"}), "anime"),
        (anilist(media={"siteUrl": "https://anilist.co/manga/30025"}), "manga"),
        (anilist(media={"coverImage": {"large": "https://s4.anilist.co/media/anime/cover/x.jpg"}}), "anime"),
        (anilist(media={"chapters": 108}), "manga"),
        (anilist(media={"chapters": None, "episodes": 12}), "anime"),
        (anilist(entry={"progressVolumes": 27}), "manga"),
        (anilist(entry={"progressVolumes": 0}), "manga"),
        (anilist(listed={"name": "Reading"}), "manga"),
        (anilist(listed={"name": "Rereading"}), "manga"),
        (anilist(listed={"name": "Plan to Read"}), "manga"),
        (anilist(listed={"name": "Completed One Shot"}), "manga"),
        (anilist(listed={"name": "Watching"}), "anime"),
        (anilist(listed={"name": "Watching"}, entry={"progressVolumes": 0}), "anime"),
        (anilist(listed={"name": "Completed TV"}), "anime"),
        (anilist(name="manga"), "manga"),
        (anilist(name="animeList"), "anime"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("asked", [None, "anime", "manga"])
def test_the_kind_is_found_in_anilist_data(content: bytes, kind: str, asked: MediaType | None) -> None:
    [row] = read_list(content, asked).rows
    assert row.subject.media_type == kind
    assert ("the file says" in (row.note or "")) is (asked not in (None, kind))


def test_entries_of_one_collection_are_of_one_kind() -> None:
    content = (SAMPLES / "anilist_untyped_manga.json").read_bytes()
    assert kinds(content) == ["manga", "manga", "manga"]


@pytest.mark.parametrize(
    "content",
    [
        (SAMPLES / "anilist_no_kind.json").read_bytes(),
        anilist(entry={"progressVolumes": None}),
        anilist(listed={"name": "Reading", "isCustomList": True}),
        b'{"lists": [{"series_id": 1, "status": 2, "progress": 3}]}',
        b'[{"target_id": 1, "target_title": "T", "status": "completed", "score": 8, "rewatches": 0}]',
        b'[{"target_id": 1, "episodes": 0, "chapters": 0, "volumes": 0, "rewatches": 0}]',
        b'{"data": [{"node": {"id": 1, "title": "T"}, "list_status": {"status": "completed", "score": 8}}]}',
        b'{"format": "anisync-list", "entries": [{"mal_id": 1, "fields": {"status": "watching"}}]}',
    ],
)
def test_a_file_without_a_kind_is_read_as_stated(content: bytes) -> None:
    with pytest.raises(UnknownKind, match=r"\?type=anime"):
        read_list(content)
    assert kinds(content, "anime") == ["anime"]
    assert kinds(content, "manga") == ["manga"]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b'[{"target_id": 1, "target_type": "Manga", "status": "watching"}]', "manga"),
        (b'[{"target_id": 1, "target_type": "Ranobe", "status": "watching"}]', "manga"),
        (b'[{"target_id": 1, "chapters": 3, "volumes": 0, "status": "watching"}]', "manga"),
        (b'[{"target_id": 1, "episodes": 0, "status": "watching"}]', "anime"),
        (b'[{"target_id": 1, "episodes": 0, "chapters": 4, "volumes": 0, "status": "watching"}]', "manga"),
        (b'[{"manga": {"id": 2, "name": "B"}, "anime": null, "rewatches": 0}]', "manga"),
        (b'{"data": [{"node": {"id": 1}, "list_status": {"status": "reading"}}]}', "manga"),
        (b'{"data": [{"node": {"id": 1}, "list_status": {"status": "plan_to_watch"}}]}', "anime"),
        (b'{"data": [{"node": {"id": 1}, "list_status": {"is_rereading": false}}]}', "manga"),
        (b'{"data": [{"node": {"id": 1, "media_type": "light_novel"}, "list_status": {}}]}', "manga"),
        (b'{"data": [{"node": {"id": 1, "title": "T"}, "list_status": {"status": "completed"}}], '
         b'"paging": {"next": "https://api.myanimelist.net/v2/users/@me/mangalist?offset=10"}}', "manga"),
        (b'{"lists": [{"series_id": 1, "series_type": 1, "status": 2}]}', "manga"),
        (b"<myanimelist><manga><manga_mangadb_id>1</manga_mangadb_id></manga></myanimelist>", "manga"),
        (b"<myanimelist><anime><manga_mangadb_id>1</manga_mangadb_id></anime></myanimelist>", "manga"),
        (b"<myanimelist><anime><series_animedb_id>1</series_animedb_id></anime></myanimelist>", "anime"),
    ],
)  # fmt: skip
def test_the_kind_is_found_in_other_services_data(content: bytes, kind: str) -> None:
    assert kinds(content) == [kind]


def test_a_single_row_without_a_kind_is_reported() -> None:
    rows = [
        {"target_id": 1, "target_title": "A", "target_type": "Anime"},
        {"target_id": 2, "target_title": "B"},
    ]
    found = read_list(orjson.dumps(rows))
    assert [(bad.line, bad.title) for bad in found.bad] == [(2, "B")]
    assert "anime or a manga" in found.bad[0].reason


@pytest.mark.parametrize(
    "content",
    [
        b"[]", b" [] ", b'{"data": []}', b'{"lists": []}', b'{"user": {}, "lists": []}',
        b'{"data": {"MediaListCollection": {"lists": []}}}',
        b'{"data": {"MediaListCollection": {"lists": [{"name": "Completed", "entries": []}]}}}',
        b'{"data": [], "included": []}', b'{"format": "anisync-list", "entries": []}',
        b"<myanimelist/>",
        b"<myanimelist><myinfo><user_export_type>2</user_export_type></myinfo></myanimelist>",
        b'\xef\xbb\xbf<?xml version="1.0"?><myanimelist></myanimelist>',
    ],
)  # fmt: skip
def test_an_empty_list_is_valid(content: bytes) -> None:
    found = read_list(content)
    assert (found.rows, found.bad) == ([], [])


def test_kitsu_names_the_title_as_media() -> None:
    found = read_list((SAMPLES / "kitsu_media.json").read_bytes())
    anime, manga = found.rows
    assert (anime.subject.media_type, anime.subject.title, anime.subject.mal_id) == ("anime", "Kage", 77)
    assert (anime.subject.total, anime.fields["score"], anime.fields["progress"]) == (24, 85, 3)
    assert (manga.subject.media_type, manga.subject.title, manga.subject.mal_id) == ("manga", "Kumo", None)
    assert (manga.subject.anilist_id, manga.fields["score"], manga.fields["started_at"]) == (88, 90, None)
    assert "start date" in str(manga.note)
    assert [bad.line for bad in found.bad] == [3, 4]
    assert "drama" in found.bad[0].reason


def test_invalid_fields_do_not_drop_the_row() -> None:
    found = read_list((SAMPLES / "mal_unreadable_details.xml").read_bytes())
    assert found.bad == []
    first, second = found.rows
    assert (first.subject.mal_id, first.subject.total, first.fields["progress"]) == (1, None, None)
    assert (first.fields["started_at"], first.fields["finished_at"]) == (None, "2018")
    assert (first.fields["score"], first.fields["status"]) == (None, None)
    assert first.unclear_status == "unknown status 'Avoiding'"
    for told in ("total 'unknown'", "progress 'three'", "start date '2019-13-01'", "2018-00-09", "score '-'"):
        assert told in str(first.note)
    assert (second.subject.mal_id, second.subject.title) == (None, "B")
    assert (second.fields["progress"], second.fields["rewatch_count"]) == (100_000, 10_000)
    assert (second.fields["started_at"], second.fields["finished_at"]) == (None, None)
    for told in ("id 'x1'", "progress 200000", "rewatches 10001", "score '11'", "0000-04-01", "1600-01-01"):
        assert told in str(second.note)


def test_xml_that_was_not_escaped_is_read() -> None:
    found = read_list((SAMPLES / "mal_unescaped.xml").read_bytes())
    assert [row.subject.title for row in found.rows] == [
        "Tom & Jerry <3 café 😀 & <co>",
        "Q&A &unknown; end",
    ]
    assert found.rows[0].fields["notes"] == "a & b & c"


def test_a_row_of_kitsu_that_cannot_be_read_is_called_as_its_title_is() -> None:
    of_a_manga = {"relationships": {"manga": {"data": {"type": "manga", "id": "9"}}}}
    titles = {"canonicalTitle": "Homunculus"}
    document = {
        "data": [{"attributes": {"status": "current"}, **of_a_manga}, of_a_manga],
        "included": [{"type": "manga", "id": "9", "attributes": titles}],
    }
    found = read_list(orjson.dumps(document))
    assert [row.subject.title for row in found.rows] == ["Homunculus"]
    assert [row.title for row in found.bad] == ["Homunculus"]
