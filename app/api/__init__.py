"""The HTTP layer: authorization, request parsing and responses."""
