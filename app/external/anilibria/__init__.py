"""The AniLiberty API v1, which AniLibria's site runs on."""
