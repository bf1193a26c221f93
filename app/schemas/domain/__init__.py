"""Frozen objects that services speak."""
