"""General-purpose infrastructure; nothing here knows about anime."""
