"""Dump files in every format and compression, valid and broken."""

import gzip
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import DumpUnreadable
from app.external.catalogue_dumps import Dump, lines
from app.external.catalogue_dumps.document import Document
from app.schemas.domain.dumps import DumpFault, DumpRow, DumpTitle
from tests.factories import dumps

ROWS = [
    dumps.own_row(mal_id, title=f"Тест 🚀 {mal_id} カ", synopsis='a\nb\t"c" {[,') for mal_id in range(1, 8)
]
PRETTY = dumps.document(ROWS, indent=2)


def read(path: Path, most: int = 3) -> list[DumpRow]:
    dump = Dump(path)
    rows: list[DumpRow] = []
    try:
        while more := dump.read(most):
            rows += more
    finally:
        dump.close()
    return rows


def titles(rows: list[DumpRow]) -> list[str]:
    return [row.anime.title for row in rows if isinstance(row, DumpTitle)]


def faults(rows: list[DumpRow]) -> list[tuple[int, str, str]]:
    return [(row.line, row.outcome, row.reason) for row in rows if isinstance(row, DumpFault)]


@pytest.mark.parametrize("packing", ["", ".gz", ".zst"])
@pytest.mark.parametrize(
    ("name", "contents"),
    [
        ("dump.jsonl", dumps.lines(ROWS)),
        ("dump.jsonl", dumps.lines(ROWS, last_update="2026-11-14")),
        ("dump.jsonl", dumps.lines(ROWS).rstrip(b"\n")),
        ("dump.jsonl", dumps.lines(ROWS).replace(b"\n", b"\r\n")),
        ("dump.jsonl", b"\xef\xbb\xbf" + dumps.lines(ROWS).replace(b"\n", b"\n\n  \n")),
        ("named-otherwise.json", dumps.lines(ROWS)),
        ("dump.json", dumps.document(ROWS)),
        ("dump.json", PRETTY),
        ("dump.json", b"\xef\xbb\xbf\n" + PRETTY + b"\n\n"),
        ("dump.json", json.dumps(ROWS).encode()),
        ("dump", PRETTY),
    ],
)
def test_every_format_and_packing_gives_the_same_titles(
    tmp_path: Path, name: str, contents: bytes, packing: str
) -> None:
    rows = read(dumps.write(tmp_path, name + packing, contents))

    assert faults(rows) == []
    assert titles(rows) == [row["title"] for row in ROWS]
    assert [row.anime.synopsis for row in rows if isinstance(row, DumpTitle)] == ['a\nb\t"c" {[,'] * 7


@pytest.mark.parametrize(
    ("name", "contents"),
    [
        ("x.jsonl.gz", gzip.compress(dumps.lines(ROWS[:3])) + gzip.compress(dumps.lines(ROWS[3:]))),
        (
            "x.jsonl.zst",
            dumps.packed(dumps.lines(ROWS[:3]), ".zst") + dumps.packed(dumps.lines(ROWS[3:]), ".zst"),
        ),
    ],
)
def test_files_of_several_members_are_read_to_the_end(tmp_path: Path, name: str, contents: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(contents)

    assert titles(read(path)) == [row["title"] for row in ROWS]


@pytest.mark.parametrize(
    ("contents", "dated"),
    [
        (dumps.lines(ROWS, last_update="2026-11-14"), date(2026, 11, 14)),
        (dumps.lines(ROWS), None),
        (dumps.lines(ROWS, last_update="last week"), None),
        (dumps.lines(ROWS, last_update="2026-11"), None),
    ],
)
def test_the_date_of_a_dump_is_in_its_header(tmp_path: Path, contents: bytes, dated: date | None) -> None:
    dump = Dump(dumps.write(tmp_path, "x.jsonl", contents))
    dump.close()

    assert dump.dated == dated


def test_the_date_of_a_document_precedes_its_rows(tmp_path: Path) -> None:
    dump = Dump(dumps.write(tmp_path, "x.json.zst", dumps.document(ROWS, last_update="2025-01-02")))
    dump.close()

    assert dump.dated == date(2025, 1, 2)


BAD: list[tuple[Any, str, str]] = [
    (b'{"mal_id": 1, "title": ', "failed", "not JSON"),
    (b'{"mal_id": 1, "title": "a", }', "failed", "not JSON"),
    (b"[1, 2]", "failed", "not an object"),
    (b"17", "failed", "not an object"),
    (b'"text"', "failed", "not an object"),
    (b"null", "failed", "not an object"),
    (b'{"mal_id": NaN, "title": "a"}', "failed", "not JSON"),
    (b'{"mal_id": 1, "title": "\xff"}', "failed", ""),
    (b'{"mal_id": 1, "title": "a\\ud800"}', "failed", ""),
    (b'{"mal_id": 1, "title": "a\\u0000b"}', "failed", "title contains NUL"),
    (b'{"mal_id": 1, "title": "a", "synonyms": ["b\\u0000"]}', "failed", "synonyms contains NUL"),
    (b'{"mal_id": ' + b"9" * 5000 + b', "title": "a"}', "failed", ""),
    (b'{"mal_id": 1, "title": "a", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "failed", "not JSON"),
    ({"mal_id": 1}, "failed", "no title"),
    ({"mal_id": 1, "title": None}, "failed", "no title"),
    ({"mal_id": 1, "title": "  "}, "failed", "no title"),
    ({"mal_id": 1, "title": 5}, "failed", "title is not text"),
    ({"mal_id": 1, "title": "a" * 501}, "failed", "title is longer than 500"),
    ({"mal_id": 2**31, "title": "a"}, "failed", "mal_id is not a whole number"),
    ({"mal_id": "1", "title": "a"}, "failed", "mal_id is not a whole number"),
    ({"mal_id": 0, "title": "a"}, "failed", "mal_id is not a whole number"),
    ({"mal_id": True, "title": "a"}, "failed", "mal_id is not a whole number"),
    ({"mal_id": 1, "anilist_id": 10**30, "title": "a"}, "failed", "anilist_id"),
    ({"mal_id": 1, "title": "a", "episodes": -1}, "failed", "episodes"),
    ({"mal_id": 1, "title": "a", "episodes": 12.5}, "failed", "episodes"),
    ({"mal_id": 1, "title": "a", "members": 2**31}, "failed", "members"),
    ({"mal_id": 1, "title": "a", "year": 99_999}, "failed", "year"),
    ({"mal_id": 1, "title": "a", "score": 10.01}, "failed", "score"),
    ({"mal_id": 1, "title": "a", "score": "8"}, "failed", "score"),
    ({"mal_id": 1, "title": "a", "synonyms": "b"}, "failed", "synonyms"),
    ({"mal_id": 1, "title": "a", "synonyms": [5]}, "failed", "synonyms"),
    ({"mal_id": 1, "title": "a", "genres": {"Action": 1}}, "failed", "genres"),
    ({"mal_id": 1, "title": "a", "synopsis": ["b"]}, "failed", "synopsis"),
    ({"mal_id": 1, "title": "a", "synopsis": "b" * 100_001}, "failed", "synopsis"),
    ({"mal_id": 1, "title": "a", "nsfw": "no"}, "failed", "nsfw"),
    ({"mal_id": 1, "title": "a", "duration": [24]}, "failed", "duration"),
    ({"mal_id": 1, "title": "a", "aired_from": 2017}, "failed", "aired_from"),
    ({"title": "a"}, "skipped", "neither mal_id nor anilist_id"),
    ({"mal_id": None, "anilist_id": None, "title": "a"}, "skipped", "neither mal_id nor anilist_id"),
    (dumps.offline_row(None), "skipped", "no MyAnimeList or AniList URL"),
    (dumps.offline_row(2**31), "failed", "out of range"),
    (dumps.offline_row(10**40), "failed", "out of range"),
    (dumps.offline_row(1, sources="https://myanimelist.net/anime/1"), "failed", "sources"),
    (dumps.offline_row(1, animeSeason="SPRING"), "failed", "animeSeason is not an object"),
    (dumps.offline_row(1, duration={"value": 5, "unit": "FORTNIGHTS"}), "failed", "duration"),
    (dumps.offline_row(1, score={"arithmeticMean": 99}), "failed", "score"),
]


@pytest.mark.parametrize(("row", "outcome", "reason"), BAD)
def test_an_invalid_line_is_reported_by_number_and_skipped(
    tmp_path: Path, row: Any, outcome: str, reason: str
) -> None:
    contents = dumps.lines([ROWS[0], row, ROWS[1]])

    rows = read(dumps.write(tmp_path, "x.jsonl", contents))

    assert titles(rows) == [ROWS[0]["title"], ROWS[1]["title"]]
    ((line, found, why),) = faults(rows)
    assert (line, found) == (2, outcome)
    assert why
    assert reason in why


@pytest.mark.parametrize(("row", "outcome", "reason"), BAD[1:])
def test_an_invalid_row_of_a_document_is_reported_and_skipped(
    tmp_path: Path, row: Any, outcome: str, reason: str
) -> None:
    bad = row if isinstance(row, bytes) else json.dumps(row).encode()
    good = [json.dumps(good).encode() for good in ROWS[:2]]
    contents = (
        b'{"lastUpdate": "2026-01-01",\n"data": [\n' + good[0] + b",\n" + bad + b",\n" + good[1] + b"\n]}"
    )

    rows = read(dumps.write(tmp_path, "x.json", contents))

    assert titles(rows) == [ROWS[0]["title"], ROWS[1]["title"]]
    ((line, found, why),) = faults(rows)
    assert (line, found) == (4, outcome)
    assert why
    assert reason in why or reason == "title contains NUL"  # JSON may name another row's member first


def test_an_endless_line_is_dropped_in_bounded_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "ROW_MAX", 1000)
    contents = dumps.lines([ROWS[0], b'"' + b"x" * 5_000_000 + b'"', ROWS[1]])

    rows = read(dumps.write(tmp_path, "x.jsonl.gz", contents))

    assert titles(rows) == [ROWS[0]["title"], ROWS[1]["title"]]
    assert faults(rows) == [(2, "failed", "longer than 1000 bytes")]


def damaged(contents: bytes) -> bytes:
    middle = len(contents) // 2
    return (
        contents[:middle]
        + bytes(byte ^ 0xFF for byte in contents[middle : middle + 40])
        + contents[middle + 40 :]
    )


CHECKED = zstandard.ZstdCompressor(write_checksum=True)
MANY = [dumps.own_row(mal_id, synopsis=str(mal_id**99)) for mal_id in range(1, 3000)]


@pytest.mark.parametrize(
    ("name", "contents", "reason"),
    [
        ("x.jsonl.gz", dumps.lines(ROWS), "is not a .gz file"),
        ("x.jsonl.zst", dumps.packed(dumps.lines(ROWS), ".gz")[3:], "is not a .zst file"),
        ("x.xml", b"<anime/>\n", "neither JSON nor JSON Lines"),
        ("x.csv", b"id,title\n1,a\n", "neither JSON nor JSON Lines"),
        ("x.json", b'{"anime": [1, 2]}', "no list of titles"),
        ("x.json", b'{"data": {"1": {}}}', "no list of titles"),
        ("x.json", b'{"data": ', "truncated"),
        ("x.json", b'{"lastUpdate": tomorrow, "data": []}', "is not a dump"),
        ("x.json", b"", "neither JSON nor JSON Lines"),
        ("x.json", b"[" + b"[" * 200_000, "truncated"),
        ("x.jsonl.gz", gzip.compress(dumps.lines(MANY))[:-5000], "truncated"),
        ("x.jsonl.zst", zstandard.ZstdCompressor().compress(dumps.lines(MANY))[:-5000], "truncated"),
        ("x.jsonl.gz", damaged(gzip.compress(dumps.lines(MANY))), "corrupt"),
        ("x.jsonl.zst", damaged(CHECKED.compress(dumps.lines(MANY))), "corrupt"),
        ("x.json", PRETTY[:-40], "truncated"),
        ("x.json", dumps.document(ROWS)[:-2], "truncated"),
    ],
)  # fmt: skip
def test_invalid_and_truncated_files_are_reported(
    tmp_path: Path, name: str, contents: bytes, reason: str
) -> None:
    path = tmp_path / name
    path.write_bytes(contents)

    with pytest.raises(DumpUnreadable) as fault:
        read(path)

    assert name in fault.value.message
    assert reason in fault.value.message


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(DumpUnreadable, match="No such file"):
        Dump(tmp_path / "absent.jsonl")
    with pytest.raises(DumpUnreadable, match="directory"):
        Dump(tmp_path)


@pytest.mark.parametrize(
    ("name", "contents"),
    [("x.json", PRETTY[:-40]), ("x.jsonl.gz", gzip.compress(dumps.lines(MANY))[:-5000])],
)
def test_rows_of_a_truncated_file_are_read(tmp_path: Path, name: str, contents: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(contents)
    dump = Dump(path)

    rows = dump.read(2500)

    assert len(rows) >= 6
    assert all(isinstance(row, DumpTitle) for row in rows)
    with pytest.raises(DumpUnreadable, match="truncated"):
        list(iter(lambda: dump.read(2500), []))
    dump.close()


def test_an_empty_file_of_lines_holds_no_titles(tmp_path: Path) -> None:
    assert read(dumps.write(tmp_path, "x.jsonl", b"")) == []
    assert read(dumps.write(tmp_path, "y.jsonl.gz", b"")) == []


def test_progress_in_bytes_is_reported(tmp_path: Path) -> None:
    dump = Dump(dumps.write(tmp_path, "x.jsonl.gz", dumps.lines(MANY)))
    seen = [dump.consumed]
    while dump.read(500):
        seen.append(dump.consumed)
    dump.close()

    assert seen == sorted(seen)
    assert seen[-1] == dump.size == (tmp_path / "x.jsonl.gz").stat().st_size
    assert len(set(seen)) > 1


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(values, max_size=6),
    cuts=st.lists(st.integers(1, 30), min_size=1, max_size=20),
    indent=st.none() | st.integers(0, 3),
    ascii_only=st.booleans(),
)
def test_a_document_reads_the_same_however_its_bytes_arrive(
    rows: list[Any], cuts: list[int], indent: int | None, ascii_only: bool
) -> None:
    contents = json.dumps({"x": {"data": [1]}, "data": rows, "y": 1}, indent=indent, ensure_ascii=ascii_only)

    document = Document(pieces(contents.encode("utf-8", "surrogatepass"), cuts), "x")
    head = document.head()
    found = [value for _, value, _ in document.rows()]

    assert head == {"x": {"data": [1]}}
    assert found == json.loads(contents)["data"]


@settings(max_examples=150, deadline=None)
@given(
    texts=st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n")), max_size=8),
    cuts=st.lists(st.integers(1, 30), min_size=1, max_size=20),
)
def test_lines_read_the_same_however_their_bytes_arrive(texts: list[str], cuts: list[int]) -> None:
    contents = "\n".join(json.dumps(text, ensure_ascii=False) for text in texts)

    found = [(number, value) for number, value, _ in lines.rows(pieces(contents.encode(), cuts))]

    assert found == list(enumerate(texts, start=1))


def pieces(contents: bytes, cuts: list[int]) -> Any:
    at = 0
    while at < len(contents):
        for cut in cuts:
            if at < len(contents):
                yield contents[at : at + cut]
            at += cut
