"""``python -m tests.standin --port 8900``: run the stand-in by hand; prints its control port."""

import argparse
import asyncio
import json
import sys
from pathlib import Path

from tests.standin.server import Standin
from tests.standin.world import World


async def _run(options: argparse.Namespace) -> None:
    standin = Standin(World(options.shared), enforce=options.enforce)
    await standin.upstream.open(options.port)
    await standin.control.open(options.control_port)
    where = {"base_url": f"http://127.0.0.1:{standin.upstream.port}/v4", "control_port": standin.control.port}
    sys.stdout.write(json.dumps(where) + "\n")
    sys.stdout.flush()
    try:
        if options.tethered:
            await asyncio.to_thread(sys.stdin.buffer.read)  # ends when the parent does
        else:
            await asyncio.Event().wait()
    finally:
        await standin.upstream.shut()
        await standin.control.shut()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tests.standin", description="A Jikan of our own, for tests and by hand."
    )
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--control-port", type=int, default=0)
    parser.add_argument("--shared", type=Path, default=Path(__file__).parents[2].parent / "shared")
    parser.add_argument("--enforce", action="store_true", help="answer 429 above 3 a second or 60 a minute")
    parser.add_argument("--tethered", action="store_true", help="stop when stdin closes")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        asyncio.run(_run(_options()))
    except KeyboardInterrupt:
        sys.exit(0)
