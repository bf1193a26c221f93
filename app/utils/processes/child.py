"""Work on what strangers sent, in a process of its own: without our environment, within a time."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ended:
    """``code`` is the exit code, below zero where a signal ended it; None where it ran out of time."""

    code: int | None
    output: bytes


async def run_child(command: Sequence[str], given: bytes, *, within: float) -> Ended:
    """Run the command with ``given`` on its standard input for at most ``within`` seconds.

    It gets an empty environment, so no secret is within reach of a decoder, and is killed when the caller is
    cancelled. Raises :class:`OSError` where no process can be started.
    """
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(
        *command, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL, env={}
    )
    try:
        output, _ = await asyncio.wait_for(child.communicate(given), within)
    except TimeoutError:
        return Ended(None, b"")
    finally:
        if child.returncode is None:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()
    return Ended(child.returncode, output)
