"""Releases: reading them through a cache, following their source, live events about them."""
