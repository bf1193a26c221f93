"""Access tokens, refresh tokens, encryption at rest and secret files."""
