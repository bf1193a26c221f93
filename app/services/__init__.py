"""Business logic; every transaction starts here."""
