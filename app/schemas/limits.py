"""The smallest and largest values of the domain; both ends are included."""

from datetime import UTC, datetime

# Requests beyond these are rejected (422), and values computed by the product are capped. Schemas, SQL and
# CHECK constraints use these numbers.
MAX_PROGRESS = 100_000  # episodes, chapters or volumes: progress, and the totals of titles
MAX_REWATCHES = 10_000
MAX_POSITION_SECONDS = 1_000_000
MIN_DURATION_MINUTES = 0.01
MAX_DURATION_MINUTES = 10_000
MIN_YEAR = 1900
MAX_YEAR = 2200
MIN_INSTANT = datetime(MIN_YEAR, 1, 1, tzinfo=UTC)
MAX_INSTANT = datetime(MAX_YEAR, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
MAX_NOTES_LENGTH = 10_000  # characters
MAX_TAGS = 50  # per list entry
MAX_TAG_LENGTH = 1_000  # characters
