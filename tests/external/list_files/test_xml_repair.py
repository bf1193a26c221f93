"""XML repair: entities and document types stay rejected, and the run time is linear."""

import time

import pytest

from app.external.list_files import UnreadableList, read_list
from app.external.list_files.xml_repair import repaired

ROW = "<anime><series_animedb_id>1</series_animedb_id><series_title>{}</series_title></anime>"


def mal(title: str, *, before: str = "") -> bytes:
    return f"{before}<myanimelist>{ROW.format(title)}</myanimelist>".encode()


@pytest.mark.parametrize(
    "before",
    [
        '<!DOCTYPE x [<!ENTITY a "b">]>',
        '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>',
        '<!DOCTYPE myanimelist SYSTEM "http://127.0.0.1:9/x.dtd">',
    ],
)
@pytest.mark.parametrize("title", ["&a;", "Tom & Jerry &a;", "caf&eacute; &b;"])
def test_declared_entities_are_refused_in_broken_files_too(before: str, title: str) -> None:
    with pytest.raises(UnreadableList):
        read_list(mal(title, before=before))


def test_well_formed_xml_is_unchanged() -> None:
    text = "<a><!-- R&D <3 --><b>&lt;&amp;&gt;</b><![CDATA[ & <3 &eacute; ]]></a>"
    assert repaired(text) == text


@pytest.mark.parametrize("title", ["<b>bold</b> & more", "]]> & more"])
def test_other_unescaped_text_is_repaired(title: str) -> None:
    [row] = read_list(mal(title)).rows
    assert row.subject.title == title.replace("<b>", "").replace("</b>", "")


@pytest.mark.parametrize("piece", ["<![CDATA[", "<!--", "&", "&#", "&a", "<", "]]", "&#55357;", "&amp;amp;"])
def test_the_time_is_linear(piece: str) -> None:
    def seconds(times: int) -> float:
        begun = time.process_time()
        repaired(piece * times)
        return time.process_time() - begun

    seconds(1_000)
    few, many = min(seconds(20_000) for _ in range(3)), min(seconds(200_000) for _ in range(3))
    assert many < 40 * few + 0.2
