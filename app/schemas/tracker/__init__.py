"""Schemas of the tracker surface."""
