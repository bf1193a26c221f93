"""Routes of the AniLibria v2 surface."""
