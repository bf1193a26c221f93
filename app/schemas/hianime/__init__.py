"""Schemas of the HiAnime surface."""
