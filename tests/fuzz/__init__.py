"""Made-up requests against the whole service."""
