"""Start a program that ends when its parent dies, even by SIGKILL; also a stand-alone script."""

# The script prepares the process and then execs the program, so process id and open files stay the same.

import ctypes
import os
import pwd
import signal
import sys
import time

SAME, NAMESPACE, NOBODY = "same", "namespace", "nobody"
"""The user a program runs as: the current one; `nobody` inside a user namespace; `nobody` for real."""

_PR_SET_PDEATHSIG, _PR_SET_KEEPCAPS, _PR_CAP_AMBIENT = 1, 8, 47
_PR_CAP_AMBIENT_RAISE = 2
_CAP_DAC_OVERRIDE = 1
_CAPABILITY_VERSION_3 = 0x20080522
_CLONE_NEWUSER = 0x10000000
_WATCH_INTERVAL = 0.25  # seconds, where the kernel cannot signal the death of a parent
_REFUSED = 97  # exit code if the identity cannot be assumed


def bound_to_parent(command: list[str], last_signal: signal.Signals, identity: str = SAME) -> list[str]:
    """The command line that runs ``command`` and sends it ``last_signal`` when the calling thread dies."""
    script = [sys.executable, "-I", "-S", __file__]
    return [*script, str(os.getpid()), str(int(last_signal)), identity, *command]


def _main(parent: int, last_signal: int, identity: str, command: list[str]) -> None:
    try:
        {SAME: lambda: None, NAMESPACE: _enter_namespace, NOBODY: _become_nobody}[identity]()
    except (OSError, KeyError) as error:
        print(f"cannot run as {identity}: {error}", file=sys.stderr)  # noqa: T201  # a script without logging
        sys.exit(_REFUSED)
    if command[0] == "probe":
        sys.exit(_probe(command[1:]))
    signal_after_parent_death(parent, last_signal)  # after the change of user, which would clear it
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    os.execv(command[0], command)


def signal_after_parent_death(parent: int, last_signal: int) -> None:
    """Let this process get the signal when the thread that started it dies; exit if that has happened."""
    if sys.platform == "linux":
        _check(ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, last_signal, 0, 0, 0))
    else:
        _fork_watcher(parent, last_signal)
    if os.getppid() != parent:
        sys.exit(0)


def _enter_namespace() -> None:
    uid, gid = os.geteuid(), os.getegid()
    nobody = pwd.getpwnam("nobody")
    _check(ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWUSER))
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{nobody.pw_uid} {uid} 1"),
        ("gid_map", f"{nobody.pw_gid} {gid} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def _become_nobody() -> None:
    """Drop root but keep CAP_DAC_OVERRIDE: the binaries may be in another user's private home directory."""
    libc = ctypes.CDLL(None, use_errno=True)
    nobody = pwd.getpwnam("nobody")
    _check(libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0))
    os.setgroups([])
    os.setgid(nobody.pw_gid)
    os.setuid(nobody.pw_uid)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)(*[1 << _CAP_DAC_OVERRIDE] * 3, 0, 0, 0)
    _check(libc.capset(header, sets))
    _check(libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0))


def _probe(paths: list[str]) -> int:
    """Exit code 0 if this identity can read every path, and write to those that are folders."""
    try:
        for path in paths:
            if os.path.isdir(path):
                trial = os.path.join(path, f".trial-{os.getpid()}")
                os.mkdir(trial)
                os.rmdir(trial)
            else:
                os.close(os.open(path, os.O_RDONLY))
    except OSError:
        return _REFUSED
    return 0


def _fork_watcher(parent: int, last_signal: int) -> None:
    """Fork a detached process that signals this one once ``parent`` is gone."""
    program = os.getpid()
    if os.fork():
        os.wait()
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    while is_alive(program):
        if not is_alive(parent):
            os.kill(program, last_signal)
            break
        time.sleep(_WATCH_INTERVAL)
    os._exit(0)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _check(result: int) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


if __name__ == "__main__":
    _main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:])
