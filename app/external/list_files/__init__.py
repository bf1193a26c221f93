"""List files: the exports of other services, read and written without network or database."""

from app.external.list_files.kinds import UnknownKind
from app.external.list_files.mal_xml import title_tags
from app.external.list_files.readable import readable
from app.external.list_files.reader import read_list
from app.external.list_files.unpacking import UnreadableList
from app.external.list_files.writer import CsvWriter, JsonWriter, ListWriter, MalXmlWriter

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
