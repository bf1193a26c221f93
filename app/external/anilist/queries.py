"""GraphQL queries and mutations sent to AniList."""

_MEDIA_FIELDS = (
    "id idMal type title { romaji english native } coverImage { extraLarge large } "
    "episodes chapters format siteUrl"
)
_FUZZY = "{ year month day }"
_ENTRY_FIELDS = (
    "id mediaId status score progress progressVolumes repeat private notes updatedAt "
    f"startedAt {_FUZZY} completedAt {_FUZZY}"
)

MEDIA = f"""
query ($id: Int, $idMal: Int, $type: MediaType) {{
  Media(id: $id, idMal: $idMal, type: $type) {{ {_MEDIA_FIELDS} }}
}}
"""

SEARCH = f"""
query ($search: String, $type: MediaType, $perPage: Int) {{
  Page(page: 1, perPage: $perPage) {{
    media(search: $search, type: $type, sort: SEARCH_MATCH) {{ {_MEDIA_FIELDS} }}
  }}
}}
"""

MEDIA_OF_IDS = f"""
query ($ids: [Int], $malIds: [Int], $type: MediaType) {{
  Page(page: 1, perPage: 50) {{
    media(id_in: $ids, idMal_in: $malIds, type: $type) {{ {_MEDIA_FIELDS} }}
  }}
}}
"""

# One media type, one chunk. The user is always stated, never inferred from the token.
COLLECTION = f"""
query ($userId: Int, $userName: String, $type: MediaType, $chunk: Int, $perChunk: Int) {{
  MediaListCollection(
    userId: $userId, userName: $userName, type: $type, chunk: $chunk, perChunk: $perChunk
  ) {{
    hasNextChunk
    user {{ id name mediaListOptions {{ scoreFormat }} }}
    lists {{
      name isCustomList status
      entries {{ {_ENTRY_FIELDS} media {{ {_MEDIA_FIELDS} }} }}
    }}
  }}
}}
"""

ENTRIES = f"""
query ($userId: Int, $type: MediaType, $ids: [Int]) {{
  Page(page: 1, perPage: 50) {{
    mediaList(userId: $userId, type: $type, mediaId_in: $ids) {{
      {_ENTRY_FIELDS} media {{ {_MEDIA_FIELDS} }}
    }}
  }}
}}
"""

VIEWER = "query { Viewer { id name mediaListOptions { scoreFormat } } }"

SAVE = f"""
mutation (
  $mediaId: Int, $status: MediaListStatus, $scoreRaw: Int, $progress: Int, $progressVolumes: Int,
  $repeat: Int, $private: Boolean, $notes: String, $startedAt: FuzzyDateInput, $completedAt: FuzzyDateInput
) {{
  SaveMediaListEntry(
    mediaId: $mediaId, status: $status, scoreRaw: $scoreRaw, progress: $progress,
    progressVolumes: $progressVolumes, repeat: $repeat, private: $private, notes: $notes,
    startedAt: $startedAt, completedAt: $completedAt
  ) {{ {_ENTRY_FIELDS} media {{ {_MEDIA_FIELDS} }} }}
}}
"""
