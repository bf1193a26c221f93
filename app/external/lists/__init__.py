"""Files that other services give out of a person's list; reading knows no network and no database."""

from app.external.lists.kinds import UnknownKind
from app.external.lists.mal_xml import title_tags
from app.external.lists.readable import readable
from app.external.lists.reader import read_list
from app.external.lists.unpacking import UnreadableList
from app.external.lists.writer import CsvWriter, JsonWriter, ListWriter, MalXmlWriter

__all__ = [
    "CsvWriter",
    "JsonWriter",
    "ListWriter",
    "MalXmlWriter",
    "UnknownKind",
    "UnreadableList",
    "read_list",
    "readable",
    "title_tags",
]
