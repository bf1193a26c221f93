"""Access tokens, refresh tokens, secret files."""
