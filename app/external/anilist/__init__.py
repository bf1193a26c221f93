"""AniList, over its GraphQL address."""
