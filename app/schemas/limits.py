"""The largest and smallest values of the domain: what a request, a file or an upstream may say of a title.

Beyond them a request is refused (422); what the product counts up itself stops there. Both ends belong to
the range. Every schema, SQL statement and CHECK constraint takes its numbers from here.
"""

from datetime import UTC, datetime

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
