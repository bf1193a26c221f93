"""Response schemas of the AniLibria v2 surface."""
