"""Text from external sources: cleaning, e-mail addresses, search terms, CSV cells."""
