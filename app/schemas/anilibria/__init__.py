"""What the AniLibria v2 surface sends."""
