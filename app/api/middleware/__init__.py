"""ASGI middleware, from request ids to the answer cache."""
