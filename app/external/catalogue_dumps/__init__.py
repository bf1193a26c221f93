"""Open dumps of the world's anime databases, as files on the disk."""

from app.external.catalogue_dumps.reader import Dump

__all__ = ["Dump"]
