"""AniSync: a backend for anime trackers."""
