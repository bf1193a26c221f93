"""Run untrusted input through a separate process: empty environment, bounded time."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ChildResult:
    """``code`` is the exit code, negative if a signal killed the process, None after a timeout."""

    code: int | None
    output: bytes


async def run_child(command: Sequence[str], stdin: bytes, *, seconds: float) -> ChildResult:
    """Run the command with ``stdin`` as its input for at most ``seconds``.

    Its environment is empty, so that an exploited decoder finds no secrets, and it is killed if the caller
    is cancelled. Raises :class:`OSError` if the process cannot be started.
    """
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(
        *command, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL, env={}
    )
    try:
        output, _ = await asyncio.wait_for(child.communicate(stdin), seconds)
    except TimeoutError:
        return ChildResult(None, b"")
    finally:
        if child.returncode is None:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()
    return ChildResult(child.returncode, output)
