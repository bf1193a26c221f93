"""Tune the garbage collector of a process."""

import gc

_DEFAULTS = gc.get_threshold()  # before the imports
_WHILE_IMPORTING = 1_000_000  # allocations; importing the application makes 400,000
_THRESHOLDS = (20_000, 20, 50)  # allocations, then collections of the younger generation


def collect_rarely() -> None:
    """Let the imports that follow make no collection: they find next to nothing, for a third of the time."""
    gc.set_threshold(_WHILE_IMPORTING)


def collect_as_usual() -> None:
    """Collect as often as Python does by default: for commands that read large files.

    Their rows are long texts, and the fewer collections, the more of them wait to be freed.
    """
    gc.freeze()
    gc.set_threshold(*_DEFAULTS)


def tune_garbage_collector() -> None:
    """Exempt all current objects from garbage collection, and collect the rest less often.

    To be called once the process is set up. By default a full collection stops a loaded process for 100 ms
    and more.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
