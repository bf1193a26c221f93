"""Schemas of the internal surface."""
