"""AniLibria's public API, AniLiberty v1."""
