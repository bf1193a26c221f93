"""Reading open dumps of lists: columns in any order, other words for statuses, invalid rows."""

import gzip
from pathlib import Path

import pytest

from app.errors import DumpUnreadable
from app.external.rating_dumps import RatingDump, read_ratings
from app.schemas.domain.dumps import DumpFault
from app.schemas.domain.recommendations import RATING_STATUSES


def read(path: Path, content: str) -> tuple[RatingDump, list[DumpFault]]:
    path.write_text(content, encoding="utf-8")
    faults: list[DumpFault] = []
    return read_ratings(path, faults.append), faults


def test_rows_are_kept_by_column(tmp_path: Path) -> None:
    dump, faults = read(
        tmp_path / "lists.csv",
        "user_id,mal_id,score,status,progress,source\n"
        "a,1,8,completed,12,x\nb,1,0,Plan to Watch,,y\na,5,7.5,,,x\nb,20,,on-hold,3,y\n",
    )
    assert faults == []
    assert (dump.names, dump.sources) == (["a", "b"], ["x", "y"])
    assert (list(dump.users), list(dump.mal_ids)) == ([0, 1, 0, 1], [1, 1, 5, 20])
    assert list(dump.scores) == [8, 0, 7.5, 0]
    statuses = [RATING_STATUSES[status] for status in dump.statuses]
    assert statuses == ["completed", "plan_to_watch", "", "on_hold"]


def test_columns_can_have_any_order_and_lines_any_ending(tmp_path: Path) -> None:
    dump, faults = read(tmp_path / "lists.csv", "\ufeffScore, MAL_ID ,user_id\r\n10,1,Ä\r\n\r\n3,2,Ä")
    assert faults == []
    assert (list(dump.mal_ids), list(dump.scores), dump.names) == ([1, 2], [10, 3], ["Ä"])


def test_a_compressed_file_is_read_like_a_plain_one(tmp_path: Path) -> None:
    path = tmp_path / "lists.csv.gz"
    path.write_bytes(gzip.compress(b"user_id,mal_id,score\na,1,8\n"))
    assert list(read_ratings(path, lambda _: None).scores) == [8]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("a,x,8,completed", "mal_id is not an id: 'x'"),
        ("a,0,8,completed", "mal_id is not an id: '0'"),
        ("a,99999999999,8,completed", "mal_id is not an id: '99999999999'"),
        ("a,1,11,completed", "score is not from 0 to 10: '11'"),
        ("a,1,nan,completed", None),
        ("a,1,-1,completed", "score is not from 0 to 10: '-1'"),
        ("a,1,good,completed", "score is not from 0 to 10: 'good'"),
        ("a,1,8,asleep", "unknown status 'asleep'"),
        (",1,8,completed", "no user_id"),
        ("a,1", "too few columns"),
    ],
)
def test_a_bad_row_is_named_and_loses_no_other(tmp_path: Path, row: str, reason: str | None) -> None:
    dump, faults = read(tmp_path / "lists.csv", f"user_id,mal_id,score,status\n{row}\nb,2,9,completed\n")
    assert [(fault.line, fault.reason) for fault in faults] == ([(2, reason)] if reason else [])
    assert dump.faults == len(faults)
    assert dump.names[-1] == "b"
    assert list(dump.mal_ids)[-1] == 2


@pytest.mark.parametrize("content", ["", "user,anime\n1,2\n", "user_id,mal_id\na,1\n"])
def test_a_file_without_the_columns_is_no_dump_of_lists(tmp_path: Path, content: str) -> None:
    with pytest.raises(DumpUnreadable, match="has no columns"):
        read(tmp_path / "lists.csv", content)


def test_a_missing_or_truncated_file_is_reported(tmp_path: Path) -> None:
    with pytest.raises(DumpUnreadable):
        read_ratings(tmp_path / "absent.csv", lambda _: None)
    path = tmp_path / "lists.csv.gz"
    path.write_bytes(gzip.compress(b"user_id,mal_id,score\n" + b"a,1,8\n" * 1000)[:-20])
    with pytest.raises(DumpUnreadable, match="truncated"):
        read_ratings(path, lambda _: None)
