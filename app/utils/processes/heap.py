"""How often a long-lived process walks over its objects in search of garbage."""

import gc

_THRESHOLDS = (20_000, 20, 50)  # new objects before a young collection, and collections before an older one


def settle_heap() -> None:
    """Once a process is built: what lives as long as it is never walked over again, the rest less often.

    By default a full collection stops a loaded process for more than 100 ms.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
