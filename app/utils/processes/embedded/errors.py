"""What can go wrong with an embedded server."""


class EmbeddedError(Exception):
    """An embedded server cannot be run; the text says why and what to do, in one line."""
