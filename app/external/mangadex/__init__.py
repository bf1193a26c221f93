"""Client for MangaDex's REST API."""
