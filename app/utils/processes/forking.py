"""Run a function in a forked copy of this process, which shares its imports and their memory."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Collection, Mapping

from setproctitle import getproctitle, setproctitle

from app.utils.processes.parent_death import signal_after_parent_death

CAN_FORK = sys.platform == "linux"  # elsewhere system libraries may crash after a fork without an exec

getproctitle()  # finds the place of the command line, which it cannot once the environment has changed


class ForkedChild:
    """A child process that runs ``main``, with those methods of :class:`subprocess.Popen` that end it.

    It has a session of its own, default signal handlers, the environment ``env``, no open files but the
    standard streams and ``keep_fds``, and gets SIGTERM when this process dies. Tools show it as ``title``.
    The process that forks must run no other thread that may hold a lock.
    """

    def __init__(
        self, main: Callable[[], None], *, title: str, env: Mapping[str, str], keep_fds: Collection[int] = ()
    ) -> None:
        arguments = (os.getpid(), main, title, env, keep_fds)
        self._process = multiprocessing.get_context("fork").Process(target=_run, args=arguments)
        # A signal must not run the handlers of this process in the child.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """The exit code, negative if a signal killed the process, or None while it runs."""
        return self._process.exitcode

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()

    def wait(self) -> int:
        self._process.join()
        assert self._process.exitcode is not None
        return self._process.exitcode


def _run(
    parent: int, main: Callable[[], None], title: str, env: Mapping[str, str], keep_fds: Collection[int]
) -> None:
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.setsid()
    _let_go_of_files(keep_fds)
    setproctitle(title)
    os.environ.clear()
    os.environ.update(env)
    signal_after_parent_death(parent, signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    main()


def _let_go_of_files(kept: Collection[int]) -> None:
    """Replace all other open files by /dev/null: the parent's locks must end with the parent.

    They are not closed, because objects copied from the parent would close the number again when it belongs
    to another file.
    """
    null = os.open(os.devnull, os.O_RDWR)
    for name in os.listdir("/proc/self/fd"):
        number = int(name)
        if number not in {1, 2, null, *kept}:
            os.dup2(null, number, inheritable=number == 0)
