"""AniSync: the backend that anime trackers are built on."""
