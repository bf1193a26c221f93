"""AniSync: a backend for anime trackers."""

from app.utils.processes.heap import collect_rarely

collect_rarely()  # once it is set up, a process calls tune_garbage_collector() or collect_as_usual()
