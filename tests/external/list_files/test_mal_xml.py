"""MyAnimeList's XML, its dialects, and writing it."""

from typing import Any

import orjson
import pytest

from app.external.list_files import MalXmlWriter, read_list
from app.schemas.domain.library import EntryState, MediaType
from app.schemas.domain.lists import ExportedEntry, ListedRow

STATE: dict[str, Any] = {
    name: getattr(EntryState(status="watching"), name) for name in EntryState.__dataclass_fields__
}


def read_one(kind: str, **tags: str) -> ListedRow:
    inner = "".join(f"<{tag}>{text}</{tag}>" for tag, text in tags.items())
    found = read_list(f"<myanimelist><{kind}>{inner}</{kind}></myanimelist>".encode())
    assert found.bad == []
    [row] = found.rows
    return row


def write_one(
    kind: MediaType = "anime", *, ids: tuple[int | None, int | None] = (1, None), **said: Any
) -> bytes:
    entry = ExportedEntry(kind, *ids, "T", None, None, {**STATE, **said})
    writer = MalXmlWriter(kind, "me")
    return writer.begin(1) + writer.write([entry]) + writer.end()


@pytest.mark.parametrize(
    ("theirs", "status", "again"),
    [
        ("Watching", "watching", False),
        ("Rewatching", "watching", True),
        ("Completed", "completed", False),
        ("Plan to Watch", "plan_to_watch", False),
        ("On-Hold", "on_hold", False),
        ("Dropped", "dropped", False),
    ],
)
def test_shikimori_statuses_are_read(theirs: str, status: str, again: bool) -> None:
    row = read_one("anime", series_animedb_id="1", my_status="Watching", shiki_status=theirs)
    assert (row.fields["status"], row.fields["is_rewatching"]) == (status, again)
    # it would become stale, and be exported again
    assert row.fields["carried"] == {"mal": {}}


def test_manga_of_shikimori() -> None:
    row = read_one(
        "manga", series_title="Berserk", series_type="manga", series_volumes="0", series_chapters="380",
        manga_mangadb_id="2", my_read_volumes="3", my_read_chapters="40", my_times_watched="1", my_score="9",
        my_status="Reading", shiki_status="Rereading", update_on_import="1",
    )  # fmt: skip
    assert (row.subject.title, row.subject.mal_id, row.subject.total) == ("Berserk", 2, 380)
    assert (row.fields["status"], row.fields["is_rewatching"]) == ("watching", True)
    assert (row.fields["progress"], row.fields["volumes"], row.fields["rewatch_count"]) == (40, 3, 1)


def test_old_manga_exports_are_read() -> None:
    row = read_one("manga", series_mangadb_id="2", series_title="B", my_status="3", my_rereadingg="1")
    assert (row.subject.mal_id, row.subject.title, row.fields["status"]) == (2, "B", "on_hold")
    assert row.fields["is_rewatching"] is True


@pytest.mark.parametrize(
    "notes", ["a\r\nb", "a]]>b", "<b>&amp;</b>", "\x0b\x1fa\uffff", "あ \u2028 b", "]]>\r]]>", "a\tb"]
)
def test_text_round_trips_except_for_illegal_xml_characters(notes: str) -> None:
    [row] = read_list(write_one(notes=notes, carried={"mal": {"my_storage": "a<\x0bb"}})).rows
    legal = notes.replace("\x0b", "").replace("\x1f", "").replace("\uffff", "")
    assert row.fields["notes"] == legal
    assert row.fields["carried"]["mal"]["my_storage"] == "a<b"


@pytest.mark.parametrize("tag", ["a:b", "{x}y", "1a", "a b", "é", "a>"])
def test_tags_that_cannot_be_written_are_not_carried(tag: str) -> None:
    fields = {"status": "watching", "carried": {"mal": {tag: "x"}}}
    entry = {"media_type": "anime", "title": "T", "fields": fields}
    [row] = read_list(orjson.dumps({"format": "anisync-list", "entries": [entry]})).rows
    assert row.fields["carried"] == {"mal": {}}


def test_namespaced_tags_do_not_break_the_export() -> None:
    content = (
        b'<myanimelist xmlns:x="urn:x"><anime><series_title>T</series_title><x:odd>1</x:odd>'
        b"<my_priority>LOW</my_priority></anime></myanimelist>"
    )
    [row] = read_list(content).rows
    assert row.fields["carried"] == {"mal": {"series_title": "T", "my_priority": "LOW"}}


def test_entries_without_a_mal_id_have_their_anilist_id() -> None:
    [row] = read_list(write_one(ids=(None, 77))).rows
    assert (row.subject.mal_id, row.subject.anilist_id) == (None, 77)
    assert b"anilist_id" not in write_one(ids=(1, 77))


@pytest.mark.parametrize(
    ("score", "theirs"),
    [(None, "0"), (0, "0"), (4, "0"), (5, "1"), (74, "7"), (75, "8"), (95, "10"), (100, "10")],
)
def test_scores_are_rounded_half_up(score: int | None, theirs: str) -> None:
    assert f"<my_score>{theirs}</my_score>".encode() in write_one(score=score)


@pytest.mark.parametrize(
    ("theirs", "status"),
    [
        ("Watching", "watching"), ("Reading", "watching"), ("1", "watching"), ("watching", "watching"),
        ("Completed", "completed"), ("2", "completed"), ("On-Hold", "on_hold"), ("On Hold", "on_hold"),
        ("3", "on_hold"), ("Dropped", "dropped"), ("4", "dropped"), ("Plan to Watch", "plan_to_watch"),
        ("Plan to Read", "plan_to_watch"), ("plan_to_watch", "plan_to_watch"), ("6", "plan_to_watch"),
    ],
)  # fmt: skip
def test_words_and_numbers_of_a_status(theirs: str, status: str) -> None:
    assert read_one("anime", series_animedb_id="1", my_status=theirs).fields["status"] == status


@pytest.mark.parametrize(
    ("status", "anime", "manga"),
    [
        ("watching", "Watching", "Reading"),
        ("completed", "Completed", "Completed"),
        ("on_hold", "On-Hold", "On-Hold"),
        ("dropped", "Dropped", "Dropped"),
        ("plan_to_watch", "Plan to Watch", "Plan to Read"),
    ],
)
@pytest.mark.parametrize("again", [True, False])
def test_statuses_round_trip(status: str, anime: str, manga: str, again: bool) -> None:
    words: dict[MediaType, str] = {"anime": anime, "manga": manga}
    for kind, word in words.items():
        content = write_one(kind, status=status, is_rewatching=again)
        assert f"<my_status>{word}</my_status>".encode() in content
        [row] = read_list(content).rows
        assert (row.fields["status"], row.fields["is_rewatching"]) == (status, again)
        assert row.subject.media_type == kind
