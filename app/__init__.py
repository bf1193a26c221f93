"""AniSync: a backend for anime trackers."""

from app.utils.processes.heap import collect_rarely

collect_rarely()  # a process that lives long calls tune_garbage_collector() once it is set up
