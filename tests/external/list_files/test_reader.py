"""List files of all services: encodings, archives, other files, broken rows."""

import gzip
import json
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.errors import AppError, PayloadTooLarge
from app.external.list_files import UnreadableList, read_list
from app.schemas.domain.lists import ListFile


def mal(*rows: str, declared: str = "UTF-8") -> str:
    return f'<?xml version="1.0" encoding="{declared}" ?>\n<myanimelist>{"".join(rows)}</myanimelist>'


def row(mal_id: int = 1, title: str = "T", more: str = "") -> str:
    return (
        f"<anime><series_animedb_id>{mal_id}</series_animedb_id><series_title>{title}</series_title>"
        f"<my_status>Watching</my_status>{more}</anime>"
    )


def titles(content: bytes) -> list[str | None]:
    found = read_list(content)
    assert found.bad == []
    return [row.subject.title for row in found.rows]


RATE = {"target_title": "Ковбой", "target_id": 1, "target_type": "Anime", "status": "watching"}


@pytest.mark.parametrize(
    ("declared", "codec"),
    [
        ("UTF-8", "utf-8"),
        ("UTF-8", "utf-8-sig"),
        ("windows-1251", "cp1251"),
        ("ISO-8859-5", "iso-8859-5"),
        ("KOI8-R", "koi8-r"),
        ("UTF-16", "utf-16"),
        ("UTF-16", "utf-16-le"),
        ("UTF-16", "utf-16-be"),
        ("windows-1251", "utf-8"),
    ],
)
def test_encodings_are_detected(declared: str, codec: str) -> None:
    assert titles(mal(row(title="Ковбой Бибоп"), declared=declared).encode(codec)) == ["Ковбой Бибоп"]


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_json_may_be_in_any_unicode(codec: str) -> None:
    assert titles(orjson.dumps([RATE]).decode().encode(codec)) == ["Ковбой"]


@pytest.mark.parametrize(
    "declared", ["punycode", "unicode_escape", "zip", "utf-7", "nothing-known", "x" * 500]
)
def test_an_unsupported_declared_encoding_is_ignored(declared: str) -> None:
    content = mal(row(title="Caf\xe9"), declared=declared).encode("latin-1")
    assert titles(content) == ["Café"]


@pytest.mark.parametrize("declared", ["UTF-8", "windows-1252", "ISO-8859-1", "latin1", "nothing-known"])
def test_windows_1252_is_read(declared: str) -> None:
    content = mal(row(title="It’s “Café” – 50 €"), declared=declared).encode("cp1252")
    assert titles(content) == ["It’s “Café” – 50 €"]


def test_stray_windows_1252_bytes_are_read() -> None:
    text = json.dumps([{**RATE, "target_title": "It’s Café"}], ensure_ascii=False)
    assert titles(text.encode("cp1252")) == ["It’s Café"]
    assert titles(mal(row(title="カ X")).encode().replace(b"X", b"It\x92s")) == ["カ It’s"]


def test_an_archive_may_have_several_parts_and_be_packed_twice() -> None:
    content = mal(row(1, "A"), row(2, "B")).encode()
    assert titles(gzip.compress(content[:60]) + gzip.compress(content[60:])) == ["A", "B"]
    assert titles(gzip.compress(gzip.compress(content))) == ["A", "B"]
    assert titles(gzip.compress(content) + b"\0" * 512) == ["A", "B"]


@pytest.mark.parametrize(
    "content",
    [
        b"<foo><bar/></foo>",
        b"<html><body>Sign in</body></html>",
        b"<rss><channel><item/></channel></rss>",
        b'{"format": "anisync-list"}',
        b'{"format": "anisync-list", "entries": 5}',
        b'{"format": "anisync-list", "entries": {"a": 1}}',
        b'{"lists": [{"series_id": 1}, 5], "x": 1',
        b'{"lists": [5]}',
        b'{"data": {"MediaListCollection": {"lists": [{"entries": 5}]}}}',
        b'{"data": [{"attributes": {}, "relationships": {}}], "included": 5}',
        gzip.compress(b"PK\x03\x04", mtime=0),
    ],
)
def test_other_files_are_rejected(content: bytes) -> None:
    with pytest.raises(UnreadableList):
        read_list(content)


@pytest.mark.parametrize(
    "content",
    [
        b"[" + b"[]," * 2_000_001 + b"[]]",
        b"[" + b"{}," * 2_000_001 + b"{}]",
        b"[" + b"0," * 12_000_001 + b"0]",
        b"<myanimelist>" + b"<a/>" * 4_000_001 + b"</myanimelist>",
        mal(*[row(1)] * 50_001).encode(),
        orjson.dumps([RATE] * 50_001),
    ],
    ids=["arrays", "objects", "numbers", "elements", "rows of XML", "rows of JSON"],
)
def test_too_many_rows_are_rejected_early(content: bytes) -> None:
    with pytest.raises(PayloadTooLarge):
        read_list(gzip.compress(content, 1))


def test_an_empty_list_is_a_list() -> None:
    assert read_list(b"<myanimelist><myinfo/></myanimelist>") == ListFile("mal")
    assert read_list(b'{"format": "anisync-list", "version": 1, "entries": []}') == ListFile("anisync")


ANILIST = {
    "status": "CURRENT", "score": 7, "progress": 3, "repeat": 1, "notes": "n", "startedAt": {"year": 2020},
    "media": {"id": 5, "idMal": 6, "title": {"romaji": "R"}, "coverImage": {"large": "u"}, "episodes": 12},
}  # fmt: skip
DOCUMENTS: dict[str, Any] = {
    "anilist": {"data": {"MediaListCollection": {"lists": [{"entries": [ANILIST]}]}}},
    "archive": {"lists": [{"series_id": 1, "series_type": 0, "status": 5, "score": 95, "progress": 2}]},
    "kitsu": {
        "data": [
            {
                "attributes": {"status": "current", "progress": 2, "ratingTwenty": 15},
                "relationships": {"anime": {"data": {"type": "anime", "id": "1"}}},
            }
        ],
        "included": [{"type": "anime", "id": "1", "attributes": {"canonicalTitle": "K"}}],
    },
    "shikimori": [RATE],
    "mal": [{"node": {"id": 1, "title": "M"}, "list_status": {"status": "watching", "score": 7}}],
    "page": [{"anime_id": 1, "anime_title": "P", "status": 1, "score": 7}],
    "own": {
        "format": "anisync-list",
        "entries": [
            {
                "media_type": "anime", "mal_id": 1, "anilist_id": None, "title": "O", "total": 12,
                "fields": {"status": "watching", "tags": ["a"], "carried": {"mal": {"my_sns": "x"}}},
            }
        ],
    },
}  # fmt: skip
JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 2**70)
    | st.floats(allow_nan=False)
    | st.sampled_from(["", "x", "\x00", "\ud800", "1", "watching", "anime"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["id", "mal", "a"]), inner),
    max_leaves=4,
)


def places(node: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    steps = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [way, *(place for name, child in steps for place in places(child, (*way, name)))]


def put(node: Any, way: tuple[Any, ...], value: Any) -> Any:
    if not way:
        return value
    copy = list(node) if isinstance(node, list) else dict(node)
    copy[way[0]] = put(copy[way[0]], way[1:], value)
    return copy


@given(st.data(), st.sampled_from(sorted(DOCUMENTS)))
def test_no_document_breaks_the_reader(data: st.DataObject, name: str) -> None:
    """Any value in any place: the file is rejected, or each row is read or reported."""
    document = DOCUMENTS[name]
    broken = put(document, data.draw(st.sampled_from(places(document))), data.draw(JUNK))
    content = json.dumps(broken).encode()
    try:
        found = read_list(content)
    except AppError:
        return
    for bad in found.bad:
        assert bad.reason
    _ = [row.subject for row in found.rows]


@given(st.binary(max_size=60))
@example(b"<\xff\x00")
@example(b"\xff\xfe<")
@example(b"\x1f\x8b")
@example(b"\x00<")
def test_no_bytes_break_the_reader(content: bytes) -> None:
    try:
        read_list(content)
    except AppError:
        return


@pytest.mark.parametrize("name", sorted(DOCUMENTS))
def test_all_supported_documents_are_read(name: str) -> None:
    found = read_list(orjson.dumps(DOCUMENTS[name]))
    assert (len(found.rows), found.bad) == (1, [])


@pytest.mark.parametrize(
    ("scale", "theirs", "ours"),
    [
        ("POINT_100", 9, 9),
        ("POINT_100", 95, 95),
        ("POINT_10_DECIMAL", 8.5, 85),
        ("POINT_10", 8, 80),
        ("POINT_5", 1, 10),
        ("POINT_5", 2, 30),
        ("POINT_5", 3, 50),
        ("POINT_5", 4, 70),
        ("POINT_5", 5, 90),
        ("POINT_3", 2, 60),
        ("POINT_3", 3, 85),
        ("POINT_3", 1, 35),
        ("POINT_3", 0, None),
        (None, 8.5, 85),
        (None, 85, 85),
        ("A_NEW_ONE", 7, 70),
    ],
)
def test_scores_of_anilist_are_of_the_persons_scale(
    scale: str | None, theirs: float, ours: int | None
) -> None:
    collection: dict[str, Any] = {"lists": [{"entries": [{**ANILIST, "score": theirs}]}]}
    if scale is not None:
        collection["user"] = {"mediaListOptions": {"scoreFormat": scale}}
    [row] = read_list(orjson.dumps({"data": {"MediaListCollection": collection}})).rows
    assert row.fields["score"] == ours


WORDS: list[tuple[str, dict[str, Any], str, bool]] = [
    ("anilist", {"status": "CURRENT"}, "watching", False),
    ("anilist", {"status": "REPEATING"}, "watching", True),
    ("anilist", {"status": "COMPLETED"}, "completed", False),
    ("anilist", {"status": "PLANNING"}, "plan_to_watch", False),
    ("anilist", {"status": "DROPPED"}, "dropped", False),
    ("anilist", {"status": "PAUSED"}, "on_hold", False),
    ("archive", {"status": 0}, "watching", False),
    ("archive", {"status": 1}, "plan_to_watch", False),
    ("archive", {"status": 2}, "completed", False),
    ("archive", {"status": 3}, "dropped", False),
    ("archive", {"status": 4}, "on_hold", False),
    ("archive", {"status": 5}, "watching", True),
    ("kitsu", {"status": "current"}, "watching", False),
    ("kitsu", {"status": "current", "reconsuming": True}, "watching", True),
    ("kitsu", {"status": "completed"}, "completed", False),
    ("kitsu", {"status": "planned"}, "plan_to_watch", False),
    ("kitsu", {"status": "dropped"}, "dropped", False),
    ("kitsu", {"status": "on_hold"}, "on_hold", False),
    ("shikimori", {"status": "watching"}, "watching", False),
    ("shikimori", {"status": "rewatching"}, "watching", True),
    ("shikimori", {"status": "completed"}, "completed", False),
    ("shikimori", {"status": "planned"}, "plan_to_watch", False),
    ("shikimori", {"status": "dropped"}, "dropped", False),
    ("shikimori", {"status": "on_hold"}, "on_hold", False),
    ("mal", {"status": "watching"}, "watching", False),
    ("mal", {"status": "watching", "is_rewatching": True}, "watching", True),
    ("mal", {"status": "plan_to_watch"}, "plan_to_watch", False),
    ("mal", {"status": "plan_to_read"}, "plan_to_watch", False),
    ("mal", {"status": "on_hold", "num_episodes_watched": 1}, "on_hold", False),
    ("page", {"status": 1}, "watching", False),
    ("page", {"status": 2}, "completed", False),
    ("page", {"status": 3}, "on_hold", False),
    ("page", {"status": 4}, "dropped", False),
    ("page", {"status": 6}, "plan_to_watch", False),
]
PLACES: dict[str, tuple[Any, ...]] = {
    "anilist": ("data", "MediaListCollection", "lists", 0, "entries", 0),
    "archive": ("lists", 0),
    "kitsu": ("data", 0, "attributes"),
    "shikimori": (0,),
    "mal": (0, "list_status"),
    "page": (0,),
}


@pytest.mark.parametrize(("name", "said", "status", "again"), WORDS)
def test_the_words_of_each_service(name: str, said: dict[str, Any], status: str, again: bool) -> None:
    document, way = DOCUMENTS[name], PLACES[name]
    held = document
    for step in way:
        held = held[step]
    [row] = read_list(orjson.dumps(put(document, way, {**held, **said}))).rows
    assert (row.fields["status"], row.fields["is_rewatching"]) == (status, again)
