"""Dump files of anime databases."""

from app.external.catalogue_dumps.reader import Dump

__all__ = ["Dump"]
