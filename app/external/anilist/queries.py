"""What AniList is asked, in GraphQL."""

MEDIA = """
query ($id: Int, $idMal: Int, $type: MediaType) {
  Media(id: $id, idMal: $idMal, type: $type) {
    id idMal type title { romaji english native } coverImage { extraLarge large } episodes chapters
  }
}
"""
