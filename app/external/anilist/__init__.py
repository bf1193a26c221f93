"""Client for AniList's GraphQL API."""
