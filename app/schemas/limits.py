"""The largest and smallest values of the domain; both ends belong to the range."""

from datetime import UTC, datetime

# Beyond them a request is refused (422); what the product counts up itself stops there. Schemas, SQL and
# CHECK constraints take their numbers from here.
MAX_PROGRESS = 100_000  # episodes, chapters or volumes: seen of a title, and its totals
MAX_REWATCHES = 10_000
MAX_POSITION_SECONDS = 1_000_000
MIN_DURATION_MINUTES = 0.01
MAX_DURATION_MINUTES = 10_000
MIN_YEAR = 1900
MAX_YEAR = 2200
MIN_INSTANT = datetime(MIN_YEAR, 1, 1, tzinfo=UTC)
MAX_INSTANT = datetime(MAX_YEAR, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
MAX_NOTES_LENGTH = 10_000  # letters
MAX_TAGS = 50  # of one list entry
MAX_TAG_LENGTH = 1_000  # letters
