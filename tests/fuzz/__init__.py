"""Generated requests against the whole service."""
