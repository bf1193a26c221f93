"""Train the models in a separate process of low priority, from standard input to standard output."""

# Started by app/services/recommendations/refits.py; input and output are arrays in the format of packing.py.

import os
import sys

_MEMORY = 4 * 1024 * 1024 * 1024  # bytes of address space
_LOWEST = 19  # niceness; everything else on the machine goes first
_THREADS = 2


def main() -> int:
    _confine()
    from app.services.recommendations.fits import fit_packed

    sys.stdout.buffer.write(fit_packed(sys.stdin.buffer.read()))
    return 0


def _confine() -> None:
    """Limit memory, priority and threads; before the import of NumPy, which reads these once."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(min(_THREADS, os.cpu_count() or 1))
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(_LOWEST)
