"""MangaDex, over its REST API."""
