"""The error of the embedded servers."""


class EmbeddedError(Exception):
    """An embedded server cannot run; the message is one line with the reason and the remedy."""
