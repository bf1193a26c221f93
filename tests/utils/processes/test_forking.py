"""A forked program has the imports of its parent, and nothing else of it."""

import subprocess
from pathlib import Path

import pytest

from app.utils.processes.forking import CAN_FORK
from tests.fixtures.processes import python

pytestmark = pytest.mark.skipif(not CAN_FORK, reason="programs are not forked on this system")

_PARENT = """
import os, signal, psutil
from pathlib import Path
os.environ["OF_THE_PARENT"] = "1"
from app.utils.processes.embedded.sharing import try_lock
from app.utils.processes.forking import ForkedChild
lock, kept = Path(sys.argv[1]), os.open("/dev/zero", os.O_RDONLY)
held = try_lock(lock)
signal.signal(signal.SIGTERM, lambda *_: print("the handler of the parent", flush=True))
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])

def program():
    print(*os.environ.items(), flush=True)
    title = " ".join(psutil.Process().cmdline()).strip()
    print(title, os.getsid(0) == os.getpid(), os.read(kept, 1), os.read(held, 1))
    sys.stdout.flush()
    signal.pause()

child = ForkedChild(program, title="anisync -m worker", env={"OWN": "1"}, keep_fds=[kept])
os.close(held)
while try_lock(lock) is None: pass  # ends only if the child does not hold the lock
while not os.path.exists(sys.argv[2]) and child.poll() is None: pass
child.terminate()
print(child.wait())
print(ForkedChild(lambda: sys.exit(3), title="x", env={}).wait())
"""


def test_a_forked_program_keeps_nothing_of_its_parent_but_the_imports(tmp_path: Path) -> None:
    go_on = tmp_path / "go on"
    with subprocess.Popen(
        python(_PARENT, str(tmp_path / "lock"), str(go_on)), stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        lines = [parent.stdout.readline().strip() for _ in range(2)]
        go_on.touch()
        lines += parent.stdout.read().split("\n")
    assert lines == [
        "('OWN', '1')",
        "anisync -m worker True b'\\x00' b''",
        "-15",
        "3",
        "",
    ]
